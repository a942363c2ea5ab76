"""What other prices change: the best setting for each budget, and the arms that would have done other work."""

from __future__ import annotations

from bench.report.analysis.report_input import ReportInput
from bench.report.blocks import Block, Paragraph, Points, Section
from bench.report.sections import recommendation

ARMS_NAMED = 12

EXACT = (
    "The dollars of the work that was done are exact. What a budget buys at these prices is interpolated between the arms that were run, "
    "and never extrapolated."
)


def section(given: ReportInput) -> Section | None:
    """Return what other prices change; None at the prices at which the arms were run."""
    priced = given.priced
    if priced is None or priced.quotes == priced.asked:
        return None
    asked, quotes = priced.asked, priced.quotes
    before, now = asked.book.model_dump(exclude={"label_usd"}), quotes.book.model_dump(exclude={"label_usd"})
    moved = [f"{name} {before[name]} → {now[name]}" for name in now if before[name] != now[name]]
    labels = [(task, asked.label_usd[task], usd) for task, usd in quotes.label_usd.items()]
    moved += [f"a label of {task} {old:g} → {usd:g} USD" for task, old, usd in labels if old != usd]
    blocks: list[Block] = [Paragraph(f"These prices differ from those of the run: {'; '.join(moved)}. {EXACT}")]
    suite = given.found.suite_path
    verdicts = [recommendation.recommend(field, budget, quotes, suite) for field in priced.fields for budget in field.budgets_usd]
    blocks += [Points(tuple(verdicts))] if verdicts else []
    if not priced.limited:
        blocks.append(Paragraph("No arm was limited by money, so each would have done the same at these prices."))
    else:
        named = [f"{arm}: {how}" for arm, how in list(priced.limited.items())[:ARMS_NAMED]]
        rest = len(priced.limited) - len(named)
        text = "Money limited these arms at the prices of the run. At other prices they would have done more or less:"
        blocks += [Paragraph(text), Points((*named, *([f"and {rest:,} more"] if rest else [])))]
    return Section(id="other-prices", title="At these prices", blocks=tuple(blocks))
