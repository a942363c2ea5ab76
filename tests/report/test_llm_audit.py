"""The section on labels that an LLM wrote: agreement, price of a usable label, confused classes."""

from pathlib import Path

from bench.report.text import DASH
from bench.results import arm_columns
from tests.report.arms import write_arm, write_suite
from tests.report.reading import equal, made, rows

PAIRS = {f"{arm_columns.LLM_CONFUSED}'{a}' where '{b}' is owned": count for a, b, count in [("bad", "good", 4.0), ("good", "bad", 9.0)]}


def write(root: Path, facts: dict[str, float]) -> None:
    write_suite(root, primary_metric="rouge2")
    for seed in (0, 1):
        write_arm(root, f"llm-{seed}", equal(20.0), strategy="llm_label", seed=seed, facts={**facts, "invalid_answers": 3.0})


def test_a_line_for_each_setting_and_one_for_each_confused_pair(tmp_path: Path) -> None:
    audit = {arm_columns.LLM_AUDITED: 80.0, arm_columns.LLM_AGREEMENT: 83.75, arm_columns.LLM_USABLE_USD: 0.0125}
    write(tmp_path, audit | PAIRS)
    sections = made(tmp_path)
    (line,) = rows(sections["llm-labels"])
    assert list(line.values())[-3:] == ["80", "83.8", "0.0125"]
    assert [list(pair.values())[-2:] for pair in rows(sections["llm-labels"], 1)] == [
        ["'good' where 'bad' is owned", "9"],
        ["'bad' where 'good' is owned", "4"],
    ]
    heads = [*rows(sections["facts"])[0]]
    assert "invalid_answers" in heads
    assert [head for head in heads if head in audit or head in PAIRS] == []


def test_confused_pairs_belong_to_their_setting_and_are_ten_at_most(tmp_path: Path) -> None:
    write_suite(tmp_path, primary_metric="rouge2")
    for setting, first in (("low", 0), ("high", 12)):
        pairs = {f"{arm_columns.LLM_CONFUSED}'{n}' where 'good' is owned": float(n + 1) for n in range(first, first + 12)}
        facts = {arm_columns.LLM_AUDITED: 90.0, arm_columns.LLM_AGREEMENT: 10.0, **pairs}
        write_arm(tmp_path, f"llm-{setting}", equal(20.0), strategy="llm_label", setting=setting, facts=facts)
    found = [list(row.values()) for row in rows(made(tmp_path)["llm-labels"], 1)]
    assert {task for task, *_ in found} == {"docstrings"}
    for setting, counts in (("low", range(12, 2, -1)), ("high", range(24, 14, -1))):
        assert [count for _, name, _, count in found if setting in name] == [*map(str, counts)]


def test_an_audit_without_a_document_is_a_line(tmp_path: Path) -> None:
    write(tmp_path, {arm_columns.LLM_AUDITED: 0.0})
    (line,) = rows(made(tmp_path)["llm-labels"])
    assert list(line.values())[-3:] == ["0", DASH, DASH]


def test_without_an_audit_there_is_no_section(tmp_path: Path) -> None:
    write(tmp_path, {})
    assert "llm-labels" not in made(tmp_path)
