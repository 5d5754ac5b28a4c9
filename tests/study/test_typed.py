"""Numbers as people write them: a comma for the point, digits of any script; what is ambiguous is asked again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playground.study.typed import number

READ = {
    "1,5": "1.5",
    "1.5": "1.5",
    "-1,5": "-1.5",
    "−1,5": "-1.5",
    "+5": "5",
    " 41 ": "41",
    "007": "007",
    ",5": "0.5",
    ".5": "0.5",
    "5,": "5",
    "0,125": "0.125",
    "1.500": "1.500",
    "1,50": "1.50",
    "1234,5": "1234.5",
    "１，５": "1.5",
    "１．５": "1.5",
    "٣٫٥": "3.5",
    "٣،٥": "3.5",
    "۴۲": "42",
    "४२": "42",
    "1e3": "1e3",
}

ASKED_AGAIN = [
    "", "old", "nan", "inf", "-inf", "1e999", "1,000", "12,345", "1.000,5", "1,000.5", "1.000.000", "1,5,2", "1 5",
    "1'000", "1_000", "--5", "5-", "5 years", ",", ".", "-", "0x10", "1/2", "½", "²", "1e", "٣٬٠٠٠",
]  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_a_number_is_kept_with_a_point_and_plain_digits(text: str) -> None:
    assert number(text) == READ[text]


@pytest.mark.parametrize("text", ASKED_AGAIN)
def test_what_may_mean_two_things_or_none_is_no_number(text: str) -> None:
    assert number(text) is None


@given(st.text(max_size=12))
def test_whatever_is_read_is_a_number_and_reads_the_same_again(text: str) -> None:
    found = number(text)
    if found is not None:
        float(found)
        assert number(found) == found


@given(st.decimals(-(10**6), 10**6, places=2))
def test_a_comma_is_a_point(value: object) -> None:
    assert number(str(value).replace(".", ",")) == number(str(value)) is not None
