"""Whatever happens in whatever order: no exception, and a scene that agrees with itself."""

import contextlib
import os
import random
import signal
import time
from functools import partial

import numpy as np
import pytest
import slicer
from live_kit import Live, explains, in_scene, painted, record
from medseg import InputError, MedsegError, Point, packing, patch, pieces
from medseg_scene import Slab, boxes, gap, route, target
from scene_kit import add_segment, add_segmentation, add_volume, box_mask, draw_by_hand, oriented

SHAPE = (20, 10, 12)
SEQUENCES, BATCH, EVENTS = 200, 20, 10
#: Batches in which the helper is killed, once each; starting another takes half a second.
DEADLY = {3, 7}


class Story:
    """One session, random events, and what must be true whenever all is at rest."""

    def __init__(self, kit, seed):
        self.kit, self.rng = kit, random.Random(seed)
        self.log = [f"seed {seed}"]
        self.volume = add_volume(np.full(SHAPE, 100, np.int16))
        self.segmentation = add_segmentation(self.volume)
        self.fixed = {
            add_segment(
                self.segmentation, box_mask(SHAPE, (0, SHAPE[0]), (0, 10), (a, a + 3))
            ): None
            for a in (2, 5)
        }
        self.ids = list(self.segmentation.GetSegmentation().GetSegmentIDs())
        self.live = Live(kit, self.volume, self.segmentation)
        self.own = [self.live.segment_id]
        for segment_id in self.fixed:
            self.fixed[segment_id] = in_scene(self.live, segment_id)
        self.gone = False
        self.pending = []

    def at(self):
        return Point([self.rng.randrange(n) for n in SHAPE[::-1]], self.rng.random() < 0.75)

    def click(self):
        self.pending.append(self.live.add(*[self.at() for _ in range(self.rng.choice([1, 1, 2]))]))

    def drag(self):
        index, drag = self.rng.randrange(4), object()
        for _ in range(3):
            self.pending.append(self.live.move(index, self.at(), drag=drag))

    def edit_list(self):
        act = self.rng.choice([self.live.remove, self.live.toggle])
        self.pending.append(act(self.rng.randrange(4)))

    def reset(self):
        self.pending.append(self.live.reset())

    def undo(self):
        with contextlib.suppress(MedsegError):
            self.rng.choice([self.live.undo, self.live.editor.undo])()

    def redo(self):
        with contextlib.suppress(MedsegError):
            self.live.redo()

    def by_hand(self):
        segment_id = self.live.segment_id
        if self.segmentation.GetSegmentation().GetSegment(segment_id) is None or self.gone:
            return
        k, j, i = (self.rng.randrange(n - 2) for n in SHAPE)
        mask = box_mask(SHAPE, (k, k + 2), (j, j + 2), (i, i + 2))
        if self.rng.random() < 0.7:
            draw_by_hand(self.live.editor, self.segmentation, segment_id, mask)
        else:
            self.live.editor.save_state()
            self.live.editor.remove(self.segmentation, segment_id, oriented(mask))

    def switch(self):
        if self.gone:
            return
        if self.rng.random() < 0.4:
            self.own.append(self.segmentation.GetSegmentation().AddEmptySegment())
        with contextlib.suppress(InputError):
            self.live.select(self.rng.choice(self.own))

    def remove_segment(self):
        if not self.gone and len(self.own) > 1:
            self.segmentation.GetSegmentation().RemoveSegment(self.rng.choice(self.own))

    def cancel(self):
        self.rng.choice([self.live.cancel, *(p.cancel for p in self.pending)])()

    def modes(self):
        self.live.preview = self.rng.random() < 0.3
        self.live.new_segments = self.rng.random() < 0.3
        self.live.limits = Slab(0, 2, SHAPE[0] - 3) if self.rng.random() < 0.3 else None

    def decide(self):
        with contextlib.suppress(MedsegError):
            self.rng.choice([self.live.accept, self.live.reject])()

    def change_voxels(self):
        if not self.gone:
            slicer.util.arrayFromVolumeModified(self.volume)

    def propagate(self):
        self.pending.append(self.live.propagate(first=1, last=SHAPE[0] - 2))

    def remove_node(self):
        if self.rng.random() < 0.1:
            slicer.mrmlScene.RemoveNode(self.rng.choice([self.volume, self.segmentation]))
            self.gone = True

    def close_scene(self):
        if self.rng.random() < 0.1:
            slicer.mrmlScene.Clear(0)
            self.gone = True

    def look(self):
        _ = self.live.entries, self.live.shown_preview, self.live.waiting
        with contextlib.suppress(MedsegError):
            self.live.sync()

    def wait(self):
        if self.pending:
            self.live.wait_error(self.rng.choice(self.pending))

    def turn(self):
        self.live.turn()

    def few_turns(self):
        """What is due now, and not what the helper has still to answer."""
        for _ in range(self.rng.randrange(1, 6)):
            self.live.kit.pump.turn(time.monotonic())

    def edit_and_click(self):
        """The session has to be led to where the scene is, of which there is much."""
        self.rest()
        self.by_hand()
        self.by_hand()
        self.click()
        self.few_turns()

    def rest(self):
        self.live.settle()
        assert all(p.finished for p in self.pending), self.log
        if not self.gone:
            self.check()

    def goes_on(self):
        """A click now does what it says, on top of what is there."""
        live = self.live
        live.preview, live.new_segments, live.limits = False, False, None
        live.select(self.segmentation.GetSegmentation().GetSegmentIDs()[-1])
        live.reject()
        before, click = in_scene(live), Point([1, 2, 3])
        self.kit.wait(live.add(click))
        after = in_scene(live)
        assert explains(record(live), live.image, after), self.log
        assert after[3, 2, 1], self.log
        if record(live).baked == len(live.prompts) - 1:
            assert (after == painted(live.image, [click], before)).all(), self.log

    def check(self):
        segmentation = self.segmentation.GetSegmentation()
        assert set(self.fixed) <= set(segmentation.GetSegmentIDs()), self.log
        for segment_id, mask in self.fixed.items():
            assert (in_scene(self.live, segment_id) == mask).all(), self.log
            assert record(self.live, segment_id) is None, self.log
        for segment_id in set(segmentation.GetSegmentIDs()) - set(self.fixed):
            mask = in_scene(self.live, segment_id)
            if record(self.live, segment_id) is not None:
                explains(record(self.live, segment_id), self.live.image, mask)


EVENTS_OF = [
    *["click"] * 8,
    *["undo", "by_hand", "wait", "drag", "turn"] * 2,
    *["edit_list", "reset", "redo", "switch", "remove_segment", "cancel", "modes", "decide"],
    *["few_turns", "edit_and_click"] * 2,
    *["change_voxels", "remove_node", "close_scene", "look", "rest", "propagate"],
]


@pytest.mark.parametrize("batch", range(SEQUENCES // BATCH))
def test_random_events_leave_a_consistent_scene(kit, scene, batch, monkeypatch):
    if batch % 2:  # masks are read, compared, packed and followed in as many turns as can be
        for module in (target, gap, route):
            monkeypatch.setattr(module, "slabs", partial(boxes.slabs, voxels=1))
        for module in (packing, patch):
            monkeypatch.setattr(module, "spans", partial(pieces.spans, voxels=1))
    in_the_middle = 0
    for number in range(BATCH):
        scene.Clear(0)
        story = Story(kit, batch * BATCH + number)
        death = story.rng.randrange(EVENTS) if batch in DEADLY and number == 0 else None
        for step in range(EVENTS):
            event = story.rng.choice(EVENTS_OF)
            story.log.append(event)
            if step == death and kit.companion.pid is not None:
                os.kill(kit.companion.pid, signal.SIGKILL)
            in_the_middle += any(work._passing for work in story.live._works)
            getattr(story, event)()
        story.rest()
        if not story.gone:
            story.goes_on()
            undo_all(story)
        story.live.close()
    assert in_the_middle or not batch % 2


def undo_all(story):
    """Back to the beginning, step by step: mask and tag go together, neighbours stay."""
    with contextlib.suppress(MedsegError):
        while True:
            story.live.editor.undo()
            story.check()
