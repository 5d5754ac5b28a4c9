"""A few of the small random studies; `python -m tests.study.random_studies` tries hundreds."""

from pathlib import Path

import pytest

from tests.study import random_studies


@pytest.mark.parametrize("seed", [7, 10, 15])
def test_a_random_study_goes_from_plan_to_export(seed: int, tmp_path: Path) -> None:
    came_to = random_studies.tried(seed, tmp_path)
    assert came_to.startswith("refused" if seed == 15 else "went through"), came_to
