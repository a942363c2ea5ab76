"""The comparison of two results folders, as tables and paragraphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from bench.report.analysis.changes import Cell, Change
from bench.report.analysis.compare import COSTS, Comparison
from bench.report.analysis.differences import EFFECTS
from bench.report.analysis.format import score
from bench.report.analysis.significance import LEVEL
from bench.report.blocks import Column, Paragraph, Section, Table
from bench.report.text import DASH, count, ended, number

MATCHED = """Arms are matched by task, strategy, setting, budget and seed. Their ids are not used, because an id holds a hash of everything
that decides the outcome."""

WHERE = ("task", "strategy (setting)", "budget (USD)")


def sections(found: Comparison, before: str, after: str) -> list[Section]:
    """Return a summary, the tables, and notes. `before` and `after` are the names of the two folders."""
    unlike = [(one.what, one.before, one.after, EFFECTS[one.kind]) for one in found.unlike]
    turns = [(*_where(turn.cell), str(turn.seed), turn.before, turn.after, turn.reason or DASH) for turn in found.turns]
    gone = [
        (
            *_where(one.cell),
            ("new" if one.new else "gone") + ("" if one.whole else ": some seeds only"),
            ", ".join(map(str, one.seeds)),
            ended(one.ended),
            f"the same settings as {one.alike} in {'A' if one.new else 'B'}" if one.alike else "",
        )
        for one in found.one_sided
    ]
    tables = [
        _table("differences", "Differences between the two", ("what", "A", "B"), unlike, Column("effect", spare=1)),
        _table("one-sided", "New and gone", (*WHERE, "found", "seeds", "arms"), gone, Column("remark", spare=1)),
        _table("turns", "Arms that ended in another status", (*WHERE, "seed", "A", "B", "reason"), turns),
        *_changes(found.changes),
        _costs(found),
    ]
    summary = Section(id="summary", title="Summary", blocks=(Paragraph(f"A: {before}. B: {after}."), Paragraph(_summary(found))))
    notes = (*found.notes, *_how_to_read(found), MATCHED)
    return [summary, *filter(None, tables), Section(id="notes", title="Notes", blocks=tuple(map(Paragraph, notes)))]


def _table(id: str, title: str, texts: Sequence[str], rows: Sequence[tuple[str, ...]], *more: Column) -> Section | None:
    """Return a table with columns of text, then `more`. None where it has no row."""
    return Section(id=id, title=title, blocks=(Table((*map(Column, texts), *more), tuple(rows)),)) if rows else None


def _summary(found: Comparison) -> str:
    """Return what changed, in one paragraph that begins with the number of settings on both sides."""
    parts = [f"{count(len(found.cells), 'setting')} on both sides, each budget counted by itself."]
    for metric, of_metric in groupby(found.changes, key=lambda one: one.metric):
        verdicts = Counter(one.verdict for one in of_metric)
        parts.append(f"{metric.name}: {', '.join(f'{number} {verdict}' for verdict, number in sorted(verdicts.items()))}.")
    parts += [] if found.changes else ["No setting has a score in the same metric on both sides."]
    for new, what in ((True, "new"), (False, "gone")):
        settings = sum(one.whole for one in found.one_sided if one.new == new)
        parts += [f"{count(settings, 'setting')} {'is' if settings == 1 else 'are'} {what}."] if settings else []
    parts += [f"{count(len(found.turns), 'arm')} ended in another status than before."] if found.turns else []
    unfair = list(dict.fromkeys(EFFECTS[one.kind] for one in found.unlike if one.kind != "version"))
    parts += [f"The comparison is not fair in every way: {'; '.join(unfair)}."] if unfair else []
    return " ".join(parts)


def _changes(changes: Sequence[Change]) -> Iterator[Section | None]:
    """Yield a table for each metric."""
    more = [Column("compared", spare=1), *(Column(head, number=True) for head in ("A", "B", "B - A"))]
    for place, (metric, of_metric) in enumerate(groupby(changes, key=lambda one: one.metric)):
        rows = []
        for one in of_metric:
            gap = one.difference
            over = count(gap.seeds, "seed") + (f", {count(gap.examples, 'example')}" if gap.has_interval else "")
            over += f"; not paired: {one.unpaired}" if one.unpaired else ""
            by = "0" if one.identical else score(gap)
            rows.append((*_where(one.cell), one.verdict, over, number(one.before), number(one.after), by))
        yield _table(f"changes-{place}", metric.title, (*WHERE, "verdict"), rows, *more)


def _costs(found: Comparison) -> Section | None:
    """Return a table of cost ratios, with a column for each cost that is known for any setting."""
    names = [name for name in COSTS if any(name in costs for costs in found.costs.values())]
    rows = [(*_where(cell), *(_ratio(costs.get(name)) for name in names)) for cell, costs in found.costs.items() if costs]
    return _table("costs", "Costs, B / A", WHERE, rows, *(Column(name, number=True, spare=place) for place, name in enumerate(names)))


def _ratio(pair: tuple[float, float] | None) -> str:
    """Return a ratio of two costs. 'same' means exactly equal. A cost of 0 has no ratio."""
    if pair is None:
        return DASH
    before, after = pair
    if before == 0 or before == after:
        return "same" if before == after else f"0 to {after:.3g}"
    return f"{after / before:.2f}" if after / before >= 0.1 else f"{after / before:.2g}"


def _how_to_read(found: Comparison) -> Iterator[str]:
    tested = sum(one.difference.tested for one in found.changes)
    if tested:
        yield (
            "Intervals are 95 %, each for its own comparison, over seeds and test examples together: B - A, paired by seed and example. "
            f"Beyond noise: the change is significant at {LEVEL:.0%} after correction for all {count(tested, 'comparison')} (Holm). An "
            "interval may exclude 0 while the change is within noise. Identical: every score of every example is the same, to the bit."
        )
    if any(not one.difference.has_interval and not one.identical for one in found.changes):
        yield "No interval: there are no scores by example, so the size of the noise is unknown."
    if any(found.costs.values()):
        yield (
            "Costs are means over the seeds that are done on both sides. They have no interval. Measured costs (ms, seconds, energy, "
            "memory) differ from run to run even on one machine."
        )


def _where(cell: Cell) -> tuple[str, str, str]:
    return cell.task, cell.setting, f"{cell.budget_usd:g}"
