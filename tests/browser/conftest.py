"""One headless Chromium for all tests here: Debian's, which `make test` installs where it may."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements/test.txt)")

CHROMIUM = os.environ.get("BENCH_CHROMIUM") or shutil.which("chromium") or ""


@dataclass
class Opened:
    """A page, what it said in the console, and every request that was made for it."""

    page: Any
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def number(self, name: str, value: float) -> None:
        """Type into a field, and wait until the page has been drawn anew."""
        self.numbers({name: value})

    def numbers(self, values: dict[str, float]) -> None:
        """Type into fields, and wait until the page has been drawn anew."""
        for name, value in values.items():
            self.page.fill(f"#{name}", f"{value!r}")
        self.drawn()

    def drawn(self) -> None:
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def column(self, table: str, title: str) -> list[str]:
        """Texts of one column, in the order shown; title: the start of its head."""
        return list(
            self.page.evaluate(
                """([table, title]) => {
                    const whole = document.querySelector(`#${table} table`);
                    const place = [...whole.querySelectorAll("thead th")].findIndex((head) => head.innerText.startsWith(title));
                    return [...whole.querySelectorAll("tbody tr")].map((row) => row.children[place].innerText.trim());
                }""",
                [table, title],
            )
        )


Open = Callable[..., Any]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("no chromium on this machine, and `make browser` cannot install it without root and apt-get")
    with playwright.sync_playwright() as driver:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=root)
        yield browser
        browser.close()


@contextmanager
def open_page(chromium: Any, path: Path, width: int = 1280, **settings: Any) -> Iterator[Opened]:
    context = chromium.new_context(viewport={"width": width, "height": 800}, locale="en-US", **settings)
    shown = Opened(context.new_page())
    shown.page.on("console", lambda message: shown.said.append(message.text))
    shown.page.on("pageerror", lambda error: shown.said.append(str(error)))
    context.on("request", lambda request: shown.requests.append(request.url))
    try:
        shown.page.goto(path.as_uri())
        shown.drawn()
        yield shown
    finally:
        context.close()


@pytest.fixture
def opened(chromium: Any) -> Open:
    """`with opened(PATH, width=, **context) as shown`: the page at that path, drawn."""
    return partial(open_page, chromium)


@pytest.fixture(scope="module")
def kept_open(chromium: Any) -> Iterator[Callable[[Path], Opened]]:
    """`kept_open(PATH)`: the page at that path, opened once. A test of it sets every field that it depends on."""
    with ExitStack() as pages:
        yield cache(lambda path: pages.enter_context(open_page(chromium, path)))
