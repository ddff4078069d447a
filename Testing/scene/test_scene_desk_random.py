"""Whatever happens to a desk in whatever order: no exception, and a scene that agrees with it."""

import os
import random
import signal

import pytest
import slicer
from desk_kit import AXES, Bench, slice_view
from live_kit import painted
from medseg import Box
from medseg_scene import LogicEditor, image_from_volume, read_segment
from medseg_scene.box_handles import BoxHandles
from medseg_scene.gestures import GESTURES
from medseg_scene.marks import marks
from scene_kit import add_segment, add_segmentation, add_volume, box_mask, draw_by_hand

SHAPE = (12, 16, 20)
STORIES, EVENTS = 40, 30
NEIGHBOUR = box_mask(SHAPE, (0, 12), (0, 16), (7, 10))
#: In these the helper is killed once; starting another takes half a second.
DEADLY = {11, 37}


class Story:
    def __init__(self, owner, seed):
        self.rng, self.seed = random.Random(seed), seed
        self.volumes = [add_volume(name=name) for name in "ab"]
        segmentations = [add_segmentation(self.volumes[0], name) for name in "ab"]
        self.segmentations = segmentations
        self.bench = Bench(owner, self.volumes[0], segmentations[0])
        self.desk = self.bench.desk
        self.neighbour = add_segment(segmentations[0], NEIGHBOUR)
        if self.rng.random() < 0.9:
            self.bench.select(segmentations[0].GetSegmentation().AddEmptySegment())
        self.gestures = [kind(self.desk) for kind in GESTURES.values()]
        self.gesture = self.gestures[0]
        self.handles = BoxHandles(self.desk)
        self.desk.listen(self.handles.follow)
        self.view = slice_view()
        self.pending = []

    def xy(self):
        return self.rng.randrange(110, 300), self.rng.randrange(95, 210)

    def stroke(self):
        self.gesture.press(self.view, self.xy(), self.rng.random() < 0.3)
        for _ in range(self.rng.randrange(4)):
            self.gesture.move(self.view, self.xy())
            if self.rng.random() < 0.2:
                self.any_event()
        self.gesture.release(self.view, self.xy())

    def any_event(self):
        self.rng.choice([self.undo, self.switch_segment, self.switch_volume, self.turn])()

    def switch_effect(self):
        self.gesture.cancel()
        self.gesture = self.rng.choice(self.gestures)

    def switch_view(self):
        self.view = slice_view(self.rng.choice(list(AXES)))

    def delete(self):
        self.gesture.delete_at(self.view, self.xy())

    def hover(self):
        assert self.gesture.cursor(self.view, self.xy()) in ("cross", "grab", "size", "no")

    def box(self):
        """A deep box, which can be pulled in 3D from the next turn on."""
        self.desk.add(Box([self.rng.randrange(n) for n in SHAPE[::-1]], [6, 5, 4]))
        self.turn()

    def pull(self):
        for _ in range(self.rng.randrange(3)):
            node = self.handles.node
            if node is not None and node.GetScene() is not None:
                node.SetSize(*[self.rng.randrange(8) for _ in range(3)])
                if self.rng.random() < 0.3:
                    self.any_event()
                node.InvokeEvent(node.PointEndInteractionEvent)

    def edit_list(self):
        index = self.rng.randrange(4)
        self.rng.choice([self.desk.remove, self.desk.toggle, self.desk.hide])(index)

    def undo(self):
        self.rng.choice([self.desk.undo, self.desk.redo])()

    def reset(self):
        self.desk.reset()

    def cancel(self):
        self.desk.cancel()

    def decide(self):
        self.rng.choice([self.desk.accept, self.desk.reject])()

    def switches(self):
        self.desk.preview = self.rng.random() < 0.3
        self.desk.exclude = self.rng.random() < 0.3
        self.desk.new_segments = self.rng.random() < 0.3
        self.desk.limits = None
        if self.rng.random() < 0.2:
            self.desk.limit_to_slab(self.view, 3.0)
            self.touched = True

    def switch_model(self):
        self.desk.model = self.rng.choice(["painter", "slow"])

    def propagate(self):
        self.desk.propagate(first=1, last=9)
        self.touched = True

    def by_hand(self):
        node = self.bench.editor.node
        there = node.GetSegmentationNode()
        if node.GetScene() and there and node.GetSelectedSegmentID() in segments(there):
            mask = box_mask(SHAPE, (5, 7), (7, 9), (12, 15))
            draw_by_hand(self.bench.editor, there, node.GetSelectedSegmentID(), mask)
            self.touched = True

    def switch_segment(self):
        there = self.bench.editor.node.GetSegmentationNode()
        ids = [] if there is None else segments(there)
        ids = [n for n in ids if n != self.neighbour]
        if there is not None and self.rng.random() < 0.3:
            ids = [there.GetSegmentation().AddEmptySegment()]
        if ids:
            self.bench.select(self.rng.choice(ids))

    def switch_volume(self):
        node = self.bench.editor.node
        if node.GetScene():
            node.SetAndObserveSourceVolumeNode(self.rng.choice([*self.volumes * 3, None]))

    def switch_segmentation(self):
        node = self.bench.editor.node
        if node.GetScene():
            node.SetAndObserveSegmentationNode(self.rng.choice(self.segmentations))
            self.switch_segment()

    def remove_segment(self):
        there = self.bench.editor.node.GetSegmentationNode()
        if there is not None and self.bench.selected != self.neighbour:
            there.GetSegmentation().RemoveSegment(self.bench.selected)
            if self.rng.random() < 0.8:
                self.bench.select(there.GetSegmentation().AddEmptySegment())

    def remove_node(self):
        if self.rng.random() < 0.1:
            slicer.mrmlScene.RemoveNode(self.rng.choice([*self.volumes, *self.segmentations]))

    def close_scene(self):
        if self.rng.random() < 0.1:
            slicer.mrmlScene.Clear(0)
            self.volumes = [add_volume()]
            self.segmentations = [add_segmentation(self.volumes[0])]
            self.neighbour = ""
            self.bench.editor = LogicEditor.create(self.volumes[0], self.segmentations[0])
            self.desk.editor = self.bench.editor

    def another_editor_node(self):
        if self.rng.random() < 0.2 and self.volumes[0].GetScene():
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
            node.SetAndObserveSegmentationNode(self.segmentations[0])
            node.SetAndObserveSourceVolumeNode(self.volumes[0])
            node.SetOverwriteMode(node.OverwriteNone)
            self.bench.editor._logic.SetSegmentEditorNode(node)

    def turn(self):
        self.bench.turn()

    def look(self):
        for mark in marks(self.desk, handles=True):
            mark.in_view(self.view)

    def settle(self):
        self.bench.settle()
        self.check()

    def check(self):
        """At rest: what is listed without being baked explains what the segment holds."""
        desk, node = self.desk, self.bench.editor.node
        assert desk.progress is None
        assert not any(entry.waiting for entry in desk.entries)
        there, volume = self.segmentations[0], self.volumes[0]
        if self.neighbour and there.GetScene() and volume.GetScene():
            held = read_segment(there, self.neighbour, image_from_volume(volume))
            assert (held == NEIGHBOUR).all()
        place = node.GetScene() and node.GetSegmentationNode()
        if desk.reason or not place or node.GetSelectedSegmentID() not in segments(place):
            return
        if desk.shown_preview or not desk.entries or any(e.baked for e in desk.entries):
            return
        volume = node.GetSourceVolumeNode()
        self.bench.volume, self.bench.segmentation = volume, place
        made = painted(image_from_volume(volume), [e.prompt for e in desk.entries])
        if not self.touched:
            assert (self.bench.mask() == made).all()
            self.compared += 1

    #: A hand edit or a limit may stand behind the mask.
    touched = False
    compared = 0


def segments(node):
    return list(node.GetSegmentation().GetSegmentIDs())


EVENTS_OF = [
    name
    for name, weight in {
        "stroke": 16, "switch_effect": 3, "switch_view": 2, "delete": 2, "hover": 2,
        "switch_model": 1, "box": 2, "pull": 3, "edit_list": 2, "undo": 3,
        "reset": 1, "cancel": 1, "decide": 1,
        "switches": 2,
        "propagate": 1, "by_hand": 1, "switch_segment": 1, "switch_volume": 1,
        "switch_segmentation": 1, "remove_segment": 1, "remove_node": 1, "close_scene": 1,
        "another_editor_node": 1, "turn": 3, "look": 2, "settle": 3,
    }.items()
    for _ in range(weight)
]  # fmt: skip


@pytest.mark.parametrize("seed", range(STORIES))
def test_no_exception_and_nothing_left_undone(shared_owner, scene, seed):
    story = Story(shared_owner, seed)
    try:
        for number in range(EVENTS):
            name = story.rng.choice(EVENTS_OF)
            getattr(story, name)()
            if seed in DEADLY and number == EVENTS // 2 and shared_owner.companion().pid:
                os.kill(shared_owner.companion().pid, signal.SIGKILL)
        story.settle()
    finally:
        story.bench.close()
    story.bench.turn()
