"""Live sessions for tests, on a real helper process with the painter model."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from medseg import Image, Point
from medseg.record import TAG, Record, mask_mark
from medseg_scene import LiveSession, read_segment
from medseg_scene.tags import read_tag

sys.path[:0] = [str(Path(__file__).parents[1] / name) for name in ("engine", "plugin")]

from companion_kit import Kit, environment, is_alive  # noqa: E402
from medseg_test_models import Painter  # noqa: E402

__all__ = ["Kit", "Live", "environment", "in_scene", "is_alive", "painted", "record"]


class Live(LiveSession):
    """A live session whose helper can be waited for; it keeps the lines and counts the changes."""

    def __init__(self, kit: Kit, volume, segmentation, segment_id=None, **options):
        self.kit, self.lines, self.changes = kit, [], 0
        options = {"model": "painter", "on_line": self.lines.append, **options}
        options.setdefault("on_change", self._count)
        super().__init__(volume, segmentation, kit.companion, segment_id, **options)

    def _count(self):
        self.changes += 1

    def wait(self, pending):
        return self.kit.wait(pending)

    def wait_error(self, pending):
        self.kit.until(lambda: pending.finished)
        return pending.error

    def settle(self):
        """Wait until nothing is under way."""
        self.kit.until(lambda: not self.waiting)
        self.turn()

    def turn(self):
        """Serve what the scene has told."""
        told = []
        self.kit.pump.call_later(0, lambda: told.append(1))
        self.kit.until(lambda: told)

    def at(self, k, j, i, include=True):
        return Point(self.image.ijk_to_ras([i, j, k]), include)

    def click(self, k, j, i, include=True):
        """A click, and its result."""
        return self.wait(self.add(self.at(k, j, i, include)))


def in_scene(session, segment_id=None):
    """What is in a segment, read afresh."""
    return read_segment(session.segmentation, segment_id or session.segment_id, session.image)


def record(session, segment_id=None):
    """The tag of a segment; None without one."""
    segmentation = session.segmentation.GetSegmentation()
    text = read_tag(segmentation.GetSegment(segment_id or session.segment_id), TAG)
    return Record.loads(text) if text else None


def painted(image: Image, prompts, start=None):
    """What the painter makes of prompts."""
    if not prompts:
        return np.zeros(image.shape, bool) if start is None else start
    return Painter("cpu").open(image).segment(prompts, start)


def explains(record, image, mask):
    """Whether the tag says that it describes the mask; if it does, it must be true."""
    if record is None or record.mask != mask_mark(mask):
        return False
    start = None if record.start is None else record.start.mask()
    made = painted(image, record.prompts[record.baked :], start)
    assert (made == mask).all()
    return True
