"""A run with --until-decided: what was decided at each task and budget, at which look, and which settings stopped."""

from __future__ import annotations

import math
from collections.abc import Iterator

from bench.report.analysis.format import score
from bench.report.analysis.leaderboard import Board
from bench.report.analysis.looks import Decision, UntilDecided
from bench.report.analysis.report_input import ReportInput
from bench.report.analysis.significance import LEVEL, Estimate
from bench.report.analysis.standing import Standing, decision_at
from bench.report.blocks import Block, Column, Heading, Paragraph, Section, Table, code, sentences
from bench.report.text import DASH, cheaper, count, named
from bench.results import arm_columns as columns


def winner(leads: Standing) -> str:
    """Return a clause with the setting or the strategy that is best; '' where there is none."""
    if not leads.best or not (leads.wins or leads.strategy):
        return ""
    among = "" if leads.best.complete else " so far"
    if not leads.all_compared:
        among += f" of the settings with a score{' for every seed' if leads.best.complete else ''}"
    if leads.wins:
        return f"{leads.best.name} is best{among}, and its lead is significant"
    others = "every setting of the other strategies is" if leads.all_compared else "those of the other strategies are"
    return f"{leads.strategy} is best{among}: {others} significantly worse"


def outcome(board: Board, leads: Standing, run: UntilDecided, decision: Decision) -> str:
    """Return a clause with the decision."""
    if decision.equal:
        return f"{named(decision.playing)} are equal within {run.margin} {board.primary.unit}".strip()
    none = f"there is no winner after {count(decision.looks, 'look')} and {count(_seeds(run, decision), 'seed')}"
    return winner(leads) or none


def closing(board: Board, run: UntilDecided, decision: Decision) -> str:
    """Return the sentence with the look that made the decision, or why there is none."""
    if not decision.winner and not decision.equal:
        stopped = f"; no further look was made, because {decision.open}" if decision.open else ""
        in_play = f"{named(decision.playing)} may be the best" if decision.playing else "No setting is in play"
        return f"{in_play}{stopped}."
    spent = {line.name: line.fact(columns.SPENT_USD) for line in board.scored}
    cheapest = cheaper(decision.playing, [spent.get(name, math.nan) for name in decision.playing]) if decision.equal else ""
    choice = f"; the cheapest of them is {cheapest}" if cheapest else ""
    level = f"at a significance level of {decision.level:.2g}"
    return f"This was decided at look {decision.looks}, with {count(_seeds(run, decision), 'seed')} {level}{choice}."


def _seeds(run: UntilDecided, decision: Decision) -> int:
    """Return the number of seeds of all looks that were made at a task and budget."""
    return sum(map(len, run.looks[: decision.looks]))


def section(given: ReportInput) -> Section | None:
    """Return the looks, and for each task and budget a table of settings; None where the run was not adaptive."""
    run = given.until_decided
    if not run or not run.looks:
        return None
    ended = " or no further look could be made" if any(one.open for one in run.decisions) else ""
    seeds = [count(sum(map(len, run.looks[:number])), "seed") for number in (1, len(run.looks))]
    about = sentences(
        [
            (f"Seeds were added until each budget was decided{ended} (", code("--until-decided"), ")."),
            f"{'There was 1 look' if len(run.looks) == 1 else f'There were {len(run.looks)} looks'}: the first with {seeds[0]}, "
            f"the last with {seeds[1]}.",
            f"The last one tested at a level of {run.levels[-1]:.2g}.",
            f"All looks up to {run.max_seeds} seeds together name a false winner at one budget in at most {LEVEL:.0%} of runs.",
            "Intervals in this section have the level of their look.",
            "Other tables count the seeds that all of their settings share, and their p-values ignore that there were several looks.",
        ]
    )
    blocks: list[Block] = [Paragraph(about)]
    for board in given.boards:
        if found := decision_at(board, run):
            blocks += [Heading(f"{board.task}, {board.budget_usd:g} USD added"), _table(run, found)]
    return Section(id="looks", title="Looks", blocks=tuple(blocks))


def _table(run: UntilDecided, decision: Decision) -> Table:
    columns = (
        Column("strategy (setting)"),
        Column("seeds", number=True),
        Column("decision"),
        Column("behind at its last look", number=True),
    )
    rows = [(name, str(len(run.seeds(decision, name))), what, _behind(decision, name)) for name, what in _settings(decision)]
    return Table(columns, tuple(rows))


def _settings(decision: Decision) -> Iterator[tuple[str, str]]:
    """Yield each setting with what became of it: those in play first, then those that stopped, the last one first."""
    in_play = "best" if decision.winner else "equal within the margin" if decision.equal else "in play"
    yield from ((name, in_play) for name in decision.playing)
    stopped = sorted(decision.stopped.items(), key=lambda one: -one[1])
    yield from ((name, f"stopped at look {look}") for name, look in stopped)
    yield from ((name, f"left out at look {look}: it has no score for a seed") for name, look in decision.unscored.items())


def _behind(decision: Decision, name: str) -> str:
    if name not in decision.behind:
        return DASH
    mean, low, high = decision.behind[name]
    none = math.nan
    return score(Estimate(mean=mean, low=none if low is None else low, high=none if high is None else high, seeds=0, examples=0))
