"""Collects the scores of one task per example, (seeds, examples) for each line of a board."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.report.analysis.significance import Floats
from bench.results.table import Results

WHOLE = "the whole test set"
"""The only column of scores that are not given per example."""

Scores = Mapping[tuple[str, str], pd.DataFrame]
"""(subject, metric) -> scores, (arms, examples). NaN where an arm was not scored on an example."""


def scores(found: Results, arms: pd.Index, metrics: Collection[str]) -> Scores:
    """Return the scores of those `arms` that have values per example."""
    rows: dict[tuple[str, str], dict[tuple[str, ...], dict[str, Floats]]] = {}
    for arm in arms:
        if arm in found.examples:
            examples = found.examples[arm]
            for key, values in examples.scores.items():
                if key[1] in metrics:
                    rows.setdefault(key, {}).setdefault(examples.ids, {})[arm] = values
    return {key: _together([_frame(ids, of_arms) for ids, of_arms in by_ids.items()]) for key, by_ids in rows.items()}


def _together(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames) if len(frames) > 1 else frames[0]


def _frame(ids: tuple[str, ...], arms: Mapping[str, Floats]) -> pd.DataFrame:
    rows, columns = pd.Index([*arms], dtype=object), pd.Index([*ids], dtype=object)  # Python's own strings are iterated faster
    return pd.DataFrame(np.stack(list(arms.values())), rows, columns)


def by_line(found: Scores, subject: str, metric: str, arms: pd.DataFrame, lines: pd.Series[str]) -> dict[str, pd.DataFrame]:
    """Return line -> scores, (seeds, examples), the mean over the arms of a seed. Lines without a score are
    left out.

    Only examples for which every arm of the line has a score count. `arms` come from `results.arms`, and
    `lines` holds the line of each. A metric that scores the whole test set has one column, WHOLE.
    """
    samples = _by_example(found[subject, metric], arms["seed"], lines) if (subject, metric) in found else {}
    whole = f"{subject} {metric}"
    if whole in arms.columns and len(samples) < lines.nunique():
        others = arms.loc[~lines.isin(samples) & arms[whole].notna(), [whole]].set_axis([WHOLE], axis=1)
        samples |= _by_example(others, arms["seed"], lines)
    return samples


def _by_example(wide: pd.DataFrame, seeds: pd.Series[int], lines: pd.Series[str]) -> dict[str, pd.DataFrame]:
    held = wide.index.isin(lines.index)
    values, arms = wide.to_numpy(dtype=np.float64)[held], wide.index[held]
    of_arms, found = seeds.loc[arms].to_numpy(dtype=np.int64), {}
    for name, rows in pd.Series(np.arange(len(arms))).groupby(lines.loc[arms].to_numpy()):
        places = rows.to_numpy()
        sample = _by_seed(values[places], of_arms[places], wide.columns)
        if sample.shape[1]:
            found[str(name)] = sample
    return found


def _by_seed(values: Floats, seeds: NDArray[np.int64], examples: pd.Index) -> pd.DataFrame:
    """Return means by seed of `values`, (arms, examples)."""
    order = np.argsort(seeds, kind="stable")
    different, first, counts = np.unique(seeds[order], return_index=True, return_counts=True)
    means = values[order]
    if len(different) < len(seeds):
        means = np.add.reduceat(means, first, axis=0) / counts[:, None]
    kept = np.flatnonzero(~np.isnan(means).any(axis=0))
    if len(kept) < len(examples):
        means, examples = means[:, kept], examples[kept]
    return pd.DataFrame(means, index=_index(tuple(different.tolist())), columns=examples)


@lru_cache(maxsize=1024)
def _index(seeds: tuple[int, ...]) -> pd.Index:
    """Return one shared index for all lines with these seeds, because identical objects compare fast."""
    return pd.Index(seeds)
