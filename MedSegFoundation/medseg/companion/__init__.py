"""A helper process for a program with a window: what is heavy or blocks happens there.

    GUI (numpy, events)                      helper (`python -m medseg.companion`)
    link, linked, images --- wire (TCP) ---> process, calls --> service or server
                         --- shared (file) -> the image's voxels

The GUI half starts no thread and never waits; any event loop can drive it (`watch.Watcher`).
Scripts use `Pump` and `BlockingSession`.
"""

from .blocking import BlockingSession
from .link import Companion, Server
from .linked import LinkedSession
from .pending import Pending
from .watch import Pump, Watcher

__all__ = [
    "BlockingSession",
    "Companion",
    "LinkedSession",
    "Pending",
    "Pump",
    "Server",
    "Watcher",
]
