"""Which replica a request goes to. Ray calls this in the front process, its only router here.

Not `serve.multiplexed`: its router learns with a delay where an image is, and until then sends
every new image to the same replica; nor a consistent hash, which is uneven for few images.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ray.serve.request_router import PendingRequest, ReplicaID, RequestRouter, RunningReplica


class FewestImages(RequestRouter):  # type: ignore[misc]
    """A session stays with its replica; a new one goes where the fewest are.

    When its replica is gone or has its queue full, a session moves. The session's key is the
    ``multiplexed_model_id`` of a request; ``close`` ends its stay.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._homes: dict[str, ReplicaID] = {}

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """The replicas to try, one after the other."""
        if pending_request is None:
            return [candidate_replicas]
        pending_request.routing_context.should_backoff = True
        key = pending_request.metadata.multiplexed_model_id
        home = self._homes.get(key)
        # At once, not when it is routed: other new sessions may be waiting for their place.
        if _closes(pending_request):
            self._homes.pop(key, None)
        load = Counter(self._homes.values())
        ranked = sorted(
            candidate_replicas, key=lambda r: (r.replica_id != home, load[r.replica_id])
        )
        if key and ranked and not _closes(pending_request):
            self._homes[key] = ranked[0].replica_id
        return [[replica] for replica in ranked]

    def on_request_routed(
        self, pending_request: PendingRequest, replica_id: ReplicaID, result: Any
    ) -> None:
        """Note where a request went."""
        key = pending_request.metadata.multiplexed_model_id
        if key and not _closes(pending_request):
            self._homes[key] = replica_id


def _closes(pending_request: PendingRequest) -> bool:
    return bool(pending_request.metadata.call_method == "close")
