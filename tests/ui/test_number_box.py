"""What a number box tells of its setting, and what it takes from a page."""

from typing import Any

import pytest

from playground.errors import InvalidInput
from playground.settings import Request, Row, Sampling, Settings, Strength
from playground.ui.number_box import NumberBox, bounds_of


@pytest.mark.parametrize(
    ("settings", "name", "bounds"),
    [
        (Strength, "alpha", (-10_000, 10_000, None, False, False)),
        (Strength, "updates", (0, 1000, None, True, True)),
        (Strength, "step_size", (0, 10_000, None, False, True)),
        (Sampling, "top_p", (None, 1, 0, False, False)),
        (Request, "max_new_tokens", (1, None, None, True, False)),
        (Row, "seed", (0, 2**63 - 1, None, True, False)),
    ],
)
def test_the_bounds_are_those_of_the_setting(settings: type[Settings], name: str, bounds: tuple[Any, ...]) -> None:
    assert tuple(bounds_of(settings, name).values()) == bounds


def test_a_box_takes_numbers_and_nothing_else() -> None:
    whole, any_number = NumberBox(bounds=bounds_of(Row, "seed")), NumberBox(bounds=bounds_of(Sampling, "temperature"))
    assert [type(whole.preprocess(value)) for value in (3, 3.0)] == [int, int]
    assert any_number.preprocess(0.5) == 0.5
    assert whole.preprocess("") is None
    assert whole.postprocess(None) == ""
    for wrong in ("0,5", True, [1]):
        with pytest.raises(InvalidInput):
            any_number.preprocess(wrong)
