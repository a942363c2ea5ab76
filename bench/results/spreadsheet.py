"""Makes tables harmless for spreadsheets, which run a text as a formula if it begins like one."""

from __future__ import annotations

import pandas as pd
import pyarrow
import pyarrow.compute

FORMULA = "^[=+\\-@\t\r\n＝＋－＠]"
"""Beginning of a text that a spreadsheet may run as a formula (OWASP, CSV Injection)."""


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with an apostrophe before each text that begins like a formula. Numbers stay as they are."""
    changed = dict[str, pd.Series]()
    for name, column in table.items():
        if pd.api.types.is_string_dtype(column):
            texts = pyarrow.array(column, pyarrow.large_string(), from_pandas=True)
            begins = pyarrow.compute.match_substring_regex(texts, FORMULA).fill_null(False).to_numpy(zero_copy_only=False)
            if begins.any():
                changed[str(name)] = column.mask(begins, "'" + column)
    return table.assign(**changed)
