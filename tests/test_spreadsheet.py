"""CSV for spreadsheets: nothing runs, nothing else changes, and it reads back."""

from pathlib import Path

import pandas as pd
import pytest

from playground.spreadsheet import guarded, write_csv

RUN = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1",
    " =1+1",
    "\u00a0=1",
    "=",
    "-",
    "＝1+1",
    "＠x",
    "-a",
]
STAY = ["", "a=b", "1-2", "-5", "+5", "-0.25", "-1e-05", "5", "größer", "'=1", "mail@example.org", "🙂 ="]


@pytest.mark.parametrize("text", RUN)
def test_what_would_run_gets_an_apostrophe(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("value", [*STAY, -5, -0.5, None, True])
def test_everything_else_stays(value: object) -> None:
    assert guarded(value) is value


def test_a_table_reads_back_with_its_numbers_and_umlauts(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "text": pd.Series(["=cmd|' /C calc'!A0", "- eins\n- zwei", "größer, „gut“"], dtype="string"),
            "number": [-1.5, 2.0, -0.25],
            "maybe": pd.Series([None, -3, 4], dtype="Int64"),
            "written": pd.Series(["-5", "41", None], dtype="string"),
        }
    )
    write_csv(table, tmp_path / "x.csv")
    raw = (tmp_path / "x.csv").read_bytes()
    assert raw.startswith("\ufefftext,".encode())
    back = pd.read_csv(tmp_path / "x.csv")
    assert list(back.columns) == list(table.columns)
    assert back["text"].to_list() == ["'=cmd|' /C calc'!A0", "'- eins\n- zwei", "größer, „gut“"]
    assert back["number"].to_list() == [-1.5, 2.0, -0.25]
    assert back["maybe"].dropna().to_list() == [-3, 4]
    assert back["written"].dropna().to_list() == [-5, 41]
