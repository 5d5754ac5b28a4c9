"""Tables as CSV that a spreadsheet opens as what they are: no cell is run as a formula, and umlauts stay umlauts.

Whatever writes a CSV writes it here. Parquet beside it holds every text as it is.
"""

import re
from pathlib import Path

import pandas as pd

MEANING = "In CSV an apostrophe stands before what a spreadsheet would run as a formula."

_FORMULA = re.compile(r"\s*[=+\-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}"
                      r"\N{FULLWIDTH HYPHEN-MINUS}]|[\t\r\n\v\f]")  # fmt: skip
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table with a byte order mark, by which Excel knows UTF-8."""
    path.write_bytes(as_csv(table).encode("utf-8-sig"))


def as_csv(table: pd.DataFrame) -> str:
    """The same as a text without the mark, for a program or a terminal."""
    texts = {str(name): column.map(guarded) for name, column in table.select_dtypes(["object", "string"]).items()}
    return table.assign(**texts).rename(columns=guarded).to_csv(index=False, lineterminator="\n")


def guarded(value: object) -> object:
    """A cell as it is; a text that would be run as a formula with an apostrophe before it. Numbers stay numbers."""
    runs = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if runs else value
