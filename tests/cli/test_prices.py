"""`bench prices` lists what a suite can name."""

from click.testing import CliRunner, Result

from bench.cli import main
from bench.suite.named_prices import KINDS, named_prices


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_every_price_is_listed_with_its_date() -> None:
    lines = [line.split() for line in bench("prices").stdout.splitlines() if line]
    prices = [price for kind in KINDS for price in named_prices(kind).values()]
    assert [line[0] for line in lines] == [name for kind in KINDS for name in (kind, *named_prices(kind))]
    assert [line[-1] for line in lines if line[0] not in KINDS] == [price.as_of for price in prices]


def test_a_part_of_a_name_chooses() -> None:
    lines = bench("prices", "GPT-4o-mini").stdout.splitlines()
    assert [line.split()[:3] for line in lines if line][1:] == [["gpt-4o-mini", "0.15", "0.6"]]
    nothing = bench("prices", "nosuch")
    assert nothing.exit_code == 2
    assert "nosuch" in nothing.stderr
