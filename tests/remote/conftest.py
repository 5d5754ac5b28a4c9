"""The tiny model with two axes of the endpoint's tests, behind the same server."""

from tests.api.conftest import player, served

__all__ = ["player", "served"]
