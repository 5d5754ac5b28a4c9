"""The engine's tests on a GPU: the same fixtures as theirs, the models on another device."""

import pytest

from tests.engine.conftest import any_lab, lab, labs

__all__ = ["any_lab", "lab", "labs"]


@pytest.fixture(scope="session")
def device() -> str:
    """See tests/engine/conftest.py."""
    return "cuda"
