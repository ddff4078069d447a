"""Which tracked slices a video model remembers, and which of them it looks at: one rule a policy.

A tracker offers each slice that it has decided (`Policy.offer`) and asks before the next one
which to look at (`Policy.select`). Prompted slices are always looked at and are no policy's
affair. A policy knows one run in one direction; every run gets a new one.

    fifo       the last six, whatever they show: SAM 2 (Ravi et al., arXiv 2408.00714)
    confident  a bank in which the surer of two similar entries stays: SAMed-2
               (Yan et al., arXiv 2507.03698; code: sam2_utils.py)
    diverse    recent ones and a few that differ, all credible; once lost, the object must be
               credible several times in a row: ReSurgSAM2 (Liu et al., arXiv 2505.08581; code:
               sam2_video_predictor.py); the diverse part also is the idea of SAM2S (paper only)
    sorted     a small bank of dissimilar entries, read by likeness: Medical SAM 2 (Zhu et al.,
               arXiv 2408.00874; code: func_2d/function.py), CRISP-SAM2 (arXiv 2506.23121)

Where ours differs from the published code: the banks start empty (SAMed-2 ships a filled one),
so until one is full an entry must be credible; recent slices of "diverse" and every entry of
"sorted" must be credible too; "sorted" takes the most alike where the code draws lots, so that
a mask stays a pure function of its inputs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError

Feature = NDArray[np.float32]

#: Tracked slices that SAM 2 looks at beside the prompted ones.
RECENT = 6
#: Object probability and predicted IoU of a credible slice (ReSurgSAM2's start rule).
SURE, FITTING = 0.9, 0.7
#: Credible slices in a row before a lost object counts as found (ReSurgSAM2).
IN_A_ROW = 5
#: Slices in a row that are not credible before the object counts as lost (ours).
LOST = 5
#: Predicted IoU of a candidate for the long term, candidates to choose from, and slots.
LASTING, CANDIDATES, SLOTS = 0.95, 5, 3
#: Entries of the banks (SAMed-2's 640 are for a whole data set, here is one volume).
CONFIDENT_BANK, SORTED_BANK = 64, 16
#: How much worse the predicted IoU of a less similar entry may be (Medical SAM 2).
MARGIN = 0.1


@dataclass(frozen=True, eq=False)
class Memory:
    """What a tracker knows of a slice that it has decided.

    ``confidence``: probability that the object is there. ``iou``: predicted IoU of the mask,
    0 to 1. ``feature``: unit vector that says what the slice looks like. ``payload``: the
    tracker's own. ``prompted``: the mask came from the user.
    """

    index: int
    prompted: bool
    confidence: float
    iou: float
    feature: Feature
    payload: Any = field(default=None, repr=False)

    @property
    def credible(self) -> bool:
        return self.confidence > SURE and self.iou > FITTING


class Policy(Protocol):
    """One rule; ``name`` is what users choose it by."""

    name: str

    def offer(self, memory: Memory) -> bool:
        """Consider a slice just decided; True when it is remembered now or may be soon."""
        ...

    def select(self, index: int, feature: Feature) -> list[Memory]:
        """What to look at for slice ``index`` that looks like ``feature``, oldest first."""
        ...


class Fifo:
    """The last `RECENT` slices, whatever they show."""

    name = "fifo"

    def __init__(self) -> None:
        self._recent: deque[Memory] = deque(maxlen=RECENT)

    def offer(self, memory: Memory) -> bool:
        self._recent.append(memory)
        return True

    def select(self, index: int, feature: Feature) -> list[Memory]:
        return _near(self._recent, index)


class Confident:
    """A new entry replaces the one most like it, if its predicted IoU is higher."""

    name = "confident"

    def __init__(self, size: int = CONFIDENT_BANK) -> None:
        self._bank: list[Memory] = []
        self._size = size

    def offer(self, memory: Memory) -> bool:
        if not memory.credible:
            return False
        if len(self._bank) >= self._size:
            twin = int(np.argmax(_likeness(self._bank, memory.feature)))
            if memory.iou <= self._bank[twin].iou:
                return False
            del self._bank[twin]
        self._bank.append(memory)
        return True

    def select(self, index: int, feature: Feature) -> list[Memory]:
        iou = np.array([m.iou for m in self._bank])
        scores = np.maximum(_likeness(self._bank, feature), 0) + 1 / (1 + np.exp(-iou))
        return _best(self._bank, scores)


class Diverse:
    """Recent credible slices, and a few from long ago that differ from each other."""

    name = "diverse"

    def __init__(self) -> None:
        self._recent: deque[Memory] = deque(maxlen=RECENT)
        self._long: deque[Memory] = deque(maxlen=SLOTS)
        self._candidates: list[Memory] = []
        self._again: list[Memory] = []
        self._missing = 0

    @property
    def lost(self) -> bool:
        """True from the `LOST`-th doubtful slice in a row until the object is found again."""
        return self._missing >= LOST

    def offer(self, memory: Memory) -> bool:
        if not memory.credible:
            self._missing += 1
            self._again.clear()
            return False
        if self.lost:
            return self._found_again(memory)
        self._missing = 0
        self._take(memory)
        return True

    def select(self, index: int, feature: Feature) -> list[Memory]:
        recent = [] if self.lost else _near(self._recent, index)
        known = {m.index for m in recent}
        return [*(m for m in self._long if m.index not in known), *recent]

    def _found_again(self, memory: Memory) -> bool:
        self._again.append(memory)
        if len(self._again) < IN_A_ROW:
            return False
        self._missing = 0
        self._take(max(self._again, key=lambda m: m.iou))
        self._again.clear()
        return True

    def _take(self, memory: Memory) -> None:
        self._recent.append(memory)
        if memory.iou <= LASTING:
            return
        self._candidates.append(memory)
        if len(self._candidates) == CANDIDATES:
            last = self._long[-1] if self._long else self._candidates[0]
            likeness = _likeness(self._candidates, last.feature)
            self._long.append(self._candidates[int(np.argmin(likeness))])
            self._candidates.clear()


class Sorted:
    """A bank whose entries differ; what looks most like the slice at hand is read."""

    name = "sorted"

    def __init__(self, size: int = SORTED_BANK) -> None:
        self._bank: list[Memory] = []
        self._size = size

    def offer(self, memory: Memory) -> bool:
        if not memory.credible:
            return False
        if len(self._bank) >= self._size and not self._make_room(memory):
            return False
        self._bank.append(memory)
        return True

    def _make_room(self, memory: Memory) -> bool:
        """Drop the twin of the entry least like the new one, if the new one is less like it."""
        new = _likeness(self._bank, memory.feature)
        least = int(np.argmin(new))
        among = _likeness(self._bank, self._bank[least].feature)
        among[least] = -np.inf
        twin = int(np.argmax(among))
        if new[least] >= among[twin] or memory.iou <= self._bank[twin].iou - MARGIN:
            return False
        del self._bank[twin]
        return True

    def select(self, index: int, feature: Feature) -> list[Memory]:
        return _best(self._bank, _likeness(self._bank, feature))


_POLICIES: dict[str, Callable[[], Policy]] = {
    each.name: each for each in (Fifo, Confident, Diverse, Sorted)
}
NAMES = tuple(_POLICIES)


def policy(name: str = "fifo") -> Policy:
    """A new policy of that name; raises `ModelError` when there is none."""
    if name not in _POLICIES:
        raise ModelError(f"'{name}' is no memory policy; choose one of {', '.join(NAMES)}.")
    return _POLICIES[name]()


def _near(memories: Sequence[Memory] | deque[Memory], index: int) -> list[Memory]:
    return [m for m in memories if 0 < abs(index - m.index) <= RECENT]


def _best(bank: Sequence[Memory], scores: NDArray[Any]) -> list[Memory]:
    """The `RECENT` entries with the highest scores, lowest of them first."""
    order = np.argsort(scores, kind="stable")[-RECENT:]
    return [bank[int(n)] for n in order]


def _likeness(bank: Sequence[Memory], feature: Feature) -> NDArray[Any]:
    """Cosines between the entries and a unit vector."""
    return np.array([float(m.feature @ feature) for m in bank])
