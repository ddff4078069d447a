"""The lines of a prompt list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

from medseg import MedsegError, Prompt
from medseg.prompts import to_dict
from medseg.record import Record

#: A stroke has hundreds of points, and windows ask for all keys at each change.
_KEYS: WeakKeyDictionary[Prompt, str] = WeakKeyDictionary()


@dataclass(frozen=True)
class Entry:
    """A line of the prompt list. ``baked``: part of the mask, only undo takes it back."""

    prompt: Prompt
    baked: bool
    waiting: bool

    @property
    def key(self) -> str:
        """Equal for equal prompts, wherever they stand in a list."""
        if self.prompt not in _KEYS:
            _KEYS[self.prompt] = json.dumps(to_dict(self.prompt))
        return _KEYS[self.prompt]


@lru_cache(maxsize=4)
def entries_of_tag(text: str) -> tuple[Entry, ...]:
    """What the tag of a segment tells of; nothing where it cannot be read."""
    try:
        record = Record.loads(text) if text else None
    except MedsegError:
        record = None
    if record is None:
        return ()
    return tuple(Entry(p, n < record.baked, False) for n, p in enumerate(record.prompts))
