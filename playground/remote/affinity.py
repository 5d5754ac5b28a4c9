"""Which replica a request likes best: the one that knows how its conversation begins."""

import json
from collections.abc import Iterable
from hashlib import sha256

from playground.settings import Request


def key_of(request: Request) -> str:
    """What the turns and the strengths of a conversation have in common: its system text and the first user's turn."""
    first = request.rows[0].messages
    opening = first[: 1 + next(place for place, message in enumerate(first) if message.role == "user")]
    return sha256(json.dumps([message.model_dump() for message in opening]).encode()).hexdigest()


def order(key: str, names: Iterable[str]) -> list[str]:
    """The names of replicas in the order in which a key likes them.

    Each key has an order of its own (rendezvous hashing): nothing is remembered, all who ask agree, and where a replica
    comes or goes only its own keys move.
    """
    return sorted(names, key=lambda name: sha256(f"{key}\0{name}".encode()).digest())
