"""The comparison of two results folders, as tables and paragraphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.report.analysis.changes import Cell, Change
from bench.report.analysis.compare import COSTS, Comparison, OneSided
from bench.report.analysis.differences import EFFECTS
from bench.report.analysis.format import score
from bench.report.analysis.significance import LEVEL
from bench.report.markdown import DASH, count, number
from bench.report.sections.cells import ended
from bench.report.sections.sheet import Block, Column, Sheet

MATCHED = """Arms are matched by task, strategy, setting, budget and seed, not by their ids: an id holds a hash of all that decides the
outcome, and changes with it."""

WHERE = (Column("task"), Column("strategy (setting)"), Column("budget (USD)"))


def blocks(found: Comparison, before: str, after: str) -> list[Block]:
    """Return the tables and paragraphs. `before` and `after` are the names of the two folders."""
    sheets = [_unlike(found), _one_sided(found), _turns(found), *_changes(found.changes), _costs(found)]
    shown = [sheet for sheet in sheets if sheet.rows]
    return [f"A: {before}. B: {after}.", _summary(found), *shown, *found.notes, *_how_to_read(found), MATCHED]


def _summary(found: Comparison) -> str:
    """Return what changed, in one paragraph that begins with the number of settings on both sides."""
    said = [f"{count(len(found.cells), 'setting')} on both sides, each budget counted by itself."]
    for metric, of_metric in groupby(found.changes, key=lambda one: one.metric):
        verdicts = Counter(one.verdict for one in of_metric)
        said.append(f"{metric.name}: {', '.join(f'{number} {verdict}' for verdict, number in sorted(verdicts.items()))}.")
    said += [] if found.changes else ["No setting has a score in the same metric on both sides."]
    for new, what in ((True, "new"), (False, "gone")):
        settings = sum(one.whole for one in found.one_sided if one.new == new)
        said += [f"{count(settings, 'setting')} {'is' if settings == 1 else 'are'} {what}."] if settings else []
    said += [f"{count(len(found.turns), 'arm')} ended otherwise than before."] if found.turns else []
    unfair = list(dict.fromkeys(EFFECTS[one.kind] for one in found.unlike if one.kind != "version"))
    said += [f"The comparison is not fair in every way: {'; '.join(unfair)}."] if unfair else []
    return " ".join(said)


def _unlike(found: Comparison) -> Sheet:
    columns = (Column("what"), Column("A"), Column("B"), Column("so", spare=1))
    return Sheet("Not the same on both sides", columns, tuple((o.what, o.before, o.after, EFFECTS[o.kind]) for o in found.unlike))


def _one_sided(found: Comparison) -> Sheet:
    columns = (*WHERE, Column("found"), Column("seeds"), Column("arms"), Column("remark", spare=1))
    return Sheet("New and gone", columns, tuple(_only(one) for one in found.one_sided))


def _only(one: OneSided) -> tuple[str, ...]:
    what = ("new" if one.new else "gone") + ("" if one.whole else ": some seeds only")
    remark = f"the same settings as {one.alike} in {'A' if one.new else 'B'}" if one.alike else ""
    return (*_where(one.cell), what, ", ".join(map(str, one.seeds)), ", ".join(ended(one.ended)), remark)


def _turns(found: Comparison) -> Sheet:
    columns = (*WHERE, Column("seed"), Column("A"), Column("B"), Column("reason"))
    return Sheet(
        "Ended otherwise", columns, tuple((*_where(t.cell), str(t.seed), t.before, t.after, t.reason or DASH) for t in found.turns)
    )


def _changes(changes: Sequence[Change]) -> Iterator[Sheet]:
    """Yield a table for each metric."""
    figures = [Column(head, figure=True) for head in ("A", "B", "B - A")]
    columns = (*WHERE, Column("verdict"), Column("compared", spare=1), *figures)
    for metric, of_metric in groupby(changes, key=lambda one: one.metric):
        yield Sheet(metric.title, columns, tuple(_row(one) for one in of_metric))


def _row(one: Change) -> tuple[str, ...]:
    gap = one.difference
    over = count(gap.seeds, "seed") + (f", {count(gap.examples, 'example')}" if gap.has_interval else "")
    over += f"; not paired: {one.unpaired}" if one.unpaired else ""
    return (*_where(one.cell), one.verdict, over, number(one.before), number(one.after), "0" if one.identical else score(gap))


def _costs(found: Comparison) -> Sheet:
    """Return a table of cost ratios, with a column for each cost that is known for any setting."""
    names = [name for name in COSTS if any(name in costs for costs in found.costs.values())]
    columns = (*WHERE, *(Column(name, figure=True, spare=place) for place, name in enumerate(names)))
    rows = [(*_where(cell), *(_ratio(costs.get(name)) for name in names)) for cell, costs in found.costs.items() if costs]
    return Sheet("Costs, B / A", columns, tuple(rows))


def _ratio(pair: tuple[float, float] | None) -> str:
    """Return a ratio of two costs. 'same' means exactly equal. A cost of 0 has no ratio."""
    if pair is None:
        return DASH
    before, after = pair
    if before == after:
        return "same"
    if before == 0:
        return f"0 to {after:.3g}"
    return f"{after / before:.2f}" if after / before >= 0.1 else f"{after / before:.2g}"


def _how_to_read(found: Comparison) -> Iterator[str]:
    tested = sum(one.difference.tested for one in found.changes)
    if tested:
        yield (
            "Intervals are 95 %, each for its own comparison, over seeds and test examples together: B - A, paired by seed and example. "
            f"Beyond noise: told from no change at {LEVEL:.0%} over all {count(tested, 'comparison')} together (Holm), so that an interval "
            "may leave out 0 and the change still be within noise. Identical: every score of every example is the same, to the bit."
        )
    if any(not one.difference.has_interval and not one.identical for one in found.changes):
        yield "No interval: there are no scores by example, so that nothing says how much of a difference is noise."
    if any(found.costs.values()):
        yield (
            "Costs are means over the seeds that are done on both sides; they have no interval, and those that were measured (ms, seconds, "
            "energy, memory) differ from run to run even on one machine."
        )


def _where(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.setting, f"{cell.budget_usd:g}"
