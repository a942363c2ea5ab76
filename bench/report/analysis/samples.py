"""Collects the scores of one task per example, (seeds, examples) for each line of a board."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

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
    frames: dict[tuple[str, str], list[pd.DataFrame]] = {}
    for key, by_ids in rows.items():
        for ids, of_arms in by_ids.items():  # an index of Python's own strings is iterated faster
            index, columns = pd.Index([*of_arms], dtype=object), pd.Index([*ids], dtype=object)
            frames.setdefault(key, []).append(pd.DataFrame(np.stack(list(of_arms.values())), index, columns))
    return {key: pd.concat(parts) if len(parts) > 1 else parts[0] for key, parts in frames.items()}


def by_line(found: Scores, subject: str, metric: str, arms: pd.DataFrame, lines: pd.Series[str]) -> dict[str, pd.DataFrame]:
    """Return line -> scores, (seeds, examples), the mean over the arms of a seed. Lines without a score are left out.

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
    """Return line -> means by seed of `wide`, (arms, examples)."""
    held = wide.index.isin(lines.index)
    values, arms = wide.to_numpy(dtype=np.float64)[held], wide.index[held]
    of_arms, found = seeds.loc[arms].to_numpy(dtype=np.int64), {}
    for name, rows in pd.Series(np.arange(len(arms))).groupby(lines.loc[arms].to_numpy()):
        places = rows.to_numpy()
        places = places[np.argsort(of_arms[places], kind="stable")]
        different, first, counts = np.unique(of_arms[places], return_index=True, return_counts=True)
        means = values[places]
        if len(different) < len(places):
            means = np.add.reduceat(means, first, axis=0) / counts[:, None]
        kept = np.flatnonzero(~np.isnan(means).any(axis=0))
        if len(kept):
            whole = len(kept) == len(wide.columns)
            means, examples = (means, wide.columns) if whole else (means[:, kept], wide.columns[kept])
            found[str(name)] = pd.DataFrame(means, index=_index(tuple(different.tolist())), columns=examples)
    return found


@lru_cache(maxsize=1024)
def _index(seeds: tuple[int, ...]) -> pd.Index:
    """Return one shared index for all lines with these seeds, because identical objects compare fast."""
    return pd.Index(seeds)
