"""The README: its suite is valid, its links lead somewhere, and it stays short."""

import re
from pathlib import Path

from bench.suite import suite_file

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_suite_of_the_readme_is_valid(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(suite: .+?)```", README, re.DOTALL)
    (tmp_path / "suite.yaml").write_text(text)
    suite = suite_file.read(tmp_path / "suite.yaml")
    assert [cell.label for cell in suite.cells] == ["annotate", "distill", "distill", "sft"]


def test_every_link_of_the_readme_and_of_the_docs_leads_to_a_file() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))]
    local = [(page, link) for page, link in links if not link.startswith(("http://", "https://"))]
    assert len(local) > 30
    assert [f"{page.name}: {link}" for page, link in local if not (page.parent / link).exists()] == []


def test_the_readme_is_under_200_lines_of_at_most_110_columns() -> None:
    lines = README.splitlines()
    assert len(lines) < 200
    assert [line for line in lines if len(line) > 110] == []
