"""The published models: what there is, and copies of it on this computer.

from medseg.store import Store

store = Store()
store.fetch("sam2.1-tiny", lambda name, done, total: print(name, done, total))
store.path("sam2.1-tiny")
"""

from .approvals import Approval, Approvals
from .copies import Copy, Stored
from .manifest import Entry, File
from .store import Store

__all__ = ["Approval", "Approvals", "Copy", "Entry", "File", "Store", "Stored"]
