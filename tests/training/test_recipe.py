"""Settings of a training: what a later stage would ask of the engine in vain is refused before the first."""

from typing import Any

import pytest

from playground.errors import InvalidInput
from playground.training.recipe import Recipe


@pytest.mark.parametrize(
    "setting",
    [
        {"controls": (20_000,)}, {"alphas": (-20_000,)}, {"room": 20_000}, {"updates": 1001}, {"step_factors": (0,)},
        {"scales": (-1,)}, {"room_scales": (1e6,)}, {"invent_top_k": 2**31},
        *({f"{stage}_temperature": amount} for stage in ("invent", "rollout", "measured") for amount in (1e-4, 11)),
    ],
)  # fmt: skip
def test_a_recipe_asks_nothing_that_a_request_would_refuse(setting: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(setting))):
        Recipe(**setting)
