"""How much the server takes on, apart from what the service itself limits."""

from __future__ import annotations

from dataclasses import dataclass

#: Slowest rate, in bytes a second, at which a body may come.
SLOWEST = 64 << 10


@dataclass(frozen=True)
class Rules:
    """``patience``: seconds for the head of a request, and for its body beside what that takes at
    `SLOWEST`; and seconds that a reader may leave an answer lying. ``connections``: open ones;
    ``requests`` and ``share``: in
    work at once, and of one user; ``inflow``: bytes of bodies held at once; ``work``: prompts and
    openings in work or queueing; ``host_check``: refuse a ``Host`` that is not this machine (a web
    page must not reach a server without tokens through the user's browser). ``grace``: seconds for
    jobs when the server is told to stop.
    """

    patience: float = 30.0
    connections: int = 1000
    requests: int = 256
    share: int = 32
    inflow: int = 1 << 30
    work: int = 64
    host_check: bool = True
    grace: float = 30.0
