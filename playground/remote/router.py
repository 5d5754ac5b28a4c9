"""Which replica answers: the one that knows a conversation's beginning, as long as it lives and has room."""

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica

from playground.remote.affinity import order


class PrefixRouter(RequestRouter):
    """Sends the requests of one key to one replica, and to the next in that key's order where it is full or gone."""

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
