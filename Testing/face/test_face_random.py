# ruff: noqa: F811
"""Whatever a user does in whatever order: no exception, and a scene that agrees with itself."""

import os
import random
import signal

import numpy as np
import pytest
import slicer
from effects_kit import (  # noqa: F401
    EFFECTS,
    HAND,
    add_segment,
    add_segmentation,
    add_volume,
    by_hand,
    editor_node,
    helper,
    make,
)
from live_kit import explains
from medseg_scene import Slab
from scene_kit import box_mask

pytestmark = pytest.mark.usefixtures("host")

SHAPE = (8, 10, 14)
SEQUENCES, BATCH, EVENTS = 200, 20, 10
#: Batches in which the helper process is killed once; starting another takes a while.
DEADLY = {2, 6}
#: Places that hand edits leave alone: Paint may take voxels from other segments, ours may not.
NEIGHBOURS = ((0, 3), (4, 6))


class Story:
    """One scene in one editor, random events, and what must be true when all is at rest."""

    def __init__(self, room, seed):
        self.room, self.rng, self.log = room, random.Random(seed), [f"seed {seed}"]
        volume = add_volume(np.full(SHAPE, 100, np.int16))
        segmentation = add_segmentation(volume)
        self.fixed = [
            add_segment(segmentation, box_mask(SHAPE, (0, 8), (0, 10), around), name="neighbour")
            for around in NEIGHBOURS
        ]
        room.node = editor_node()
        room.widget.setMRMLSegmentEditorNode(room.node)
        room.show(volume, segmentation)
        self.masks = {name: room.mask(name) for name in self.fixed}
        segmentation.GetSegmentation().AddEmptySegment("mine")
        room.node.SetSelectedSegmentID("mine")
        self.gone = False
        room.activate()
        desk = room.desk
        desk.preview = desk.new_segments = desk.exclude = False
        desk.limits = None
        self.desk = desk

    # What may happen

    def place(self):
        return [self.rng.randrange(n) for n in SHAPE]

    def where(self):
        return self.rng.choice(["Red", "Red", "Yellow", "Green"])

    def held(self):
        return self.rng.choice([[], [], [], ["Control"]])

    def click(self):
        view = self.where()
        self.aim(view)
        how = {"modifiers": self.held(), "double": self.rng.random() < 0.1}
        self.room.host.click(self.room.view(view), self.pixels(), **how)

    def pixels(self):
        return self.rng.randrange(60, 260), self.rng.randrange(60, 260)

    def aim(self, view):
        if not self.gone:
            ras = self.room.ras(*self.place())
            node = self.room.view(view).mrmlSliceNode()
            node.JumpSliceByOffsetting(*[float(v) for v in ras])

    def drag(self):
        view = self.where()
        self.aim(view)
        way = [self.pixels() for _ in range(self.rng.choice([2, 3]))]
        self.room.host.drag(self.room.view(view), way, modifiers=self.held(), steps=3)

    def half_a_drag(self):
        host, view = self.room.host, self.room.view(self.where())
        host._invoke(view, self.pixels(), (), "LeftButtonPressEvent")
        host._invoke(view, self.pixels(), (), "MouseMoveEvent")

    def other_buttons(self):
        view, button = self.room.view(self.where()), self.rng.choice(["Right", "Middle"])
        x, y = self.pixels()
        self.room.host.drag(view, [(x, y), (x + 4, y + 4)], button=button, steps=2)

    def key(self):
        view = self.room.view(self.where())
        self.room.host.move(view, self.pixels())
        self.room.host.press_key(view, self.rng.choice(["Delete", "Escape", "x"]))

    def effect(self):
        self.room.widget.setActiveEffectByName(
            self.rng.choice([*(f"MedSeg {name}" for name in EFFECTS), HAND, ""])
        )

    def undo(self):
        self.rng.choice([self.room.widget.undo, self.desk.undo])()

    def redo(self):
        self.rng.choice([self.room.widget.redo, self.desk.redo])()

    def by_hand(self):
        if self.gone or self.room.selected not in self.own():
            return
        k, j, i = (self.rng.randrange(n) for n in (6, 8, 4))
        mask = box_mask(SHAPE, (k, k + 2), (j, j + 2), (i + 8, i + 10))
        by_hand(self.room, mask, self.rng.choice(["Add", "Add", "Remove"]))

    def own(self):
        return [name for name in self.room.ids if name not in self.fixed]

    def segment(self):
        if not self.gone:
            if self.rng.random() < 0.4:
                self.room.segmentation.GetSegmentation().AddEmptySegment()
            if self.own():
                self.room.node.SetSelectedSegmentID(self.rng.choice(self.own()))

    def remove_segment(self):
        if not self.gone and len(self.own()) > 1:
            self.room.segmentation.GetSegmentation().RemoveSegment(self.rng.choice(self.own()))

    def edit_list(self):
        index = self.rng.randrange(3)
        act = self.rng.choice([self.desk.remove, self.desk.toggle, self.desk.hide])
        act(index)

    def modes(self):
        self.desk.preview = self.rng.random() < 0.3
        self.desk.new_segments = self.rng.random() < 0.3
        self.desk.exclude = self.rng.random() < 0.2
        self.desk.limits = Slab(0, 2, 5) if self.rng.random() < 0.3 else None

    def decide(self):
        self.rng.choice([self.desk.accept, self.desk.reject])()

    def ask(self):
        self.rng.choice(
            [
                lambda: self.desk.find("liver"),
                lambda: self.desk.propagate(first=1, last=6),
                self.desk.reset,
                self.desk.cancel,
            ]
        )()

    def volume(self):
        if not self.gone and self.rng.random() < 0.4:
            slicer.util.arrayFromVolumeModified(self.room.volume)

    def remove_node(self):
        if not self.gone and self.rng.random() < 0.15:
            room = self.room
            slicer.mrmlScene.RemoveNode(self.rng.choice([room.volume, room.segmentation]))
            self.gone = True

    def close_scene(self):
        if self.rng.random() < 0.15:
            slicer.mrmlScene.Clear(0)
            self.gone = True

    def place_mode(self):
        node = slicer.app.applicationLogic().GetInteractionNode()
        node.SwitchToSinglePlaceMode()
        node.SwitchToViewTransformMode()

    def turn(self):
        self.room.turn()

    def rest(self):
        self.room.settle()

    def look(self):
        _ = self.desk.entries, self.desk.reason, self.desk.shown_preview, self.desk.models

    # What must be true

    def check(self):
        assert set(self.fixed) <= set(self.room.ids), self.log
        for name, mask in self.masks.items():
            assert (self.room.mask(name) == mask).all(), self.log
            assert self.room.record(name) is None, self.log
        for name in self.own():
            explains(self.room.record(name), self.room.image, self.room.mask(name))

    def goes_on(self):
        """A click now does what it says, on top of what is there."""
        room, desk = self.room, self.desk
        room.activate("Scribble")  # which grabs nothing that lies under the click
        desk.preview = desk.new_segments = desk.exclude = False
        desk.limits = None
        if "mine" not in room.ids:
            room.segmentation.GetSegmentation().AddEmptySegment("mine")
        room.node.SetSelectedSegmentID("mine")
        room.turn()
        desk.reject()
        room.click(3, 5, 10)
        after = room.mask()
        assert explains(room.record(), room.image, after), self.log
        assert after[3, 5, 10], (self.log, desk.line)

    def end(self):
        """Nothing of ours is left in views, editor node and desk."""
        room = self.room
        room.leave()
        room.turn()
        assert room.node.GetOverwriteMode() == room.node.OverwriteAllSegments, self.log
        assert self.desk._listeners == [], self.log
        for name in EFFECTS:
            assert room.widget.effectByName(f"MedSeg {name}").self()._stage is None, self.log


EVENTS_OF = [
    *["click"] * 8,
    *["drag"] * 4,
    *["undo", "effect", "by_hand", "turn"] * 2,
    *["half_a_drag", "other_buttons", "key", "redo", "segment", "remove_segment", "edit_list"],
    *["modes", "decide", "ask", "volume", "remove_node", "close_scene", "place_mode"],
    *["rest", "look"],
]


@pytest.mark.parametrize("batch", range(SEQUENCES // BATCH))
def test_random_events_leave_a_consistent_scene(make, host, batch):
    room = make()
    for number in range(BATCH):
        slicer.mrmlScene.Clear(0)
        story = Story(room, batch * BATCH + number)
        dies = batch in DEADLY and number == 0
        death = story.rng.randrange(EVENTS) if dies else None
        for step in range(EVENTS):
            event = story.rng.choice(EVENTS_OF)
            story.log.append(event)
            if step == death and room.face.owner.companion().pid is not None:
                os.kill(room.face.owner.companion().pid, signal.SIGKILL)
            getattr(story, event)()
            assert not host.errors, (story.log, host.errors)
        room.settle()
        if not story.gone:
            story.check()
            story.goes_on()
            story.check()
        story.end()
        assert not host.errors, (story.log, host.errors)
    print(f"\nlongest turn of the window {1000 * host.longest_turn:.0f} ms")
