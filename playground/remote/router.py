"""Which replica answers: the one that knows a conversation's beginning, as long as it lives and has room."""

from hashlib import sha256
from typing import Any

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica


class PrefixRouter(RequestRouter):
    """Sends the requests of one key to one replica, and to the next in that key's order where it is full or gone.

    Each key has an order of the replicas of its own (rendezvous hashing): nothing is remembered, all who ask agree,
    and when a replica comes or goes only its own keys move.
    """

    async def choose_replicas(
        self, candidate_replicas: list[RunningReplica], pending_request: PendingRequest | None = None
    ) -> list[list[RunningReplica]]:
        """The replicas in the order of the request's key, each a rank of its own."""
        key = ""
        if pending_request is not None:
            key = str(pending_request.kwargs.get("key", ""))
            pending_request.routing_context.should_backoff = True  # where all are full
        names = {replica.replica_id.unique_id: replica for replica in candidate_replicas}
        return [[names[name]] for name in order(key, names)]


def order(key: str, names: Any) -> list[str]:
    """The names of replicas in the order in which a key prefers them."""
    return sorted(names, key=lambda name: sha256(f"{key}\0{name}".encode()).digest())
