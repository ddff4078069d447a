"""Tracking with SAM 2: step for step what transformers' own loop does, and never encoded twice."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import numpy as np
import sam_kit as kit
import torch
from medseg import Image, Point
from medseg.memory import RECENT
from medseg.models.sam import tracker as tracker_module
from medseg.models.sam.families import FAMILIES
from medseg.models.sam.network import Network
from medseg.models.sam.pixels import to_bytes, to_input
from medseg.models.sam.spec import Spec
from medseg.models.sam.strokes import Asked
from medseg.models.sam.tracker import SamTracker
from medseg.models.sam.video import Steps
from medseg.propagation import Task, carry, propagate
from medseg.slices import Stack

SIZE, SEED, COUNT = 64, 8, 18
SAM2 = FAMILIES["sam2"]
FRAMES = kit.pictures(COUNT)


@pytest.fixture(scope="module")
def model():
    return kit.sam2()


@pytest.fixture
def network(model):
    return Network(model, "0" * 64, SAM2)


def task_of(seeds, frames=FRAMES, **more):
    given = {"first": 0, "last": len(frames) - 1, "stop_when_empty": False, **more}
    return Task(Stack(Image(frames, time_axis=True)), seeds, **given)


def spec(family=SAM2, **more):
    return Spec(f"{family.name}:somewhere", family, "somewhere", **more)


class Watched(SamTracker):
    """A tracker that keeps the logits of what it decided; ``change`` spoils what it looks at."""

    def __init__(self, network, change=None, **more):
        super().__init__(spec(network.family, **more), network)
        self.logits, self._change = {}, change

    def run(self, task):
        steps, follow = Steps, Steps.follow
        made = []

        def watched(this, maps, memories, pointers, most):
            if self._change:
                memories, pointers = self._change(memories, pointers)
            made.append(follow(this, maps, memories, pointers, most))
            return made[-1]

        steps.follow = watched
        try:
            found = {f.index: f for f in self.track(task)}
        finally:
            steps.follow = follow
        self.logits = {index: seen.logits for index, seen in zip(found, made, strict=False)}
        return found


def theirs(model, inputs, reverse=False, start=None, family=SAM2):
    """Frame -> logits of transformers' own session; ``inputs``: frame -> mask or points.

    Of a mask transformers remembers something else than the authors' code does, so there what we
    remember of that frame is put into the session.
    """
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    window = (0, 255)
    video = torch.cat([to_input(to_bytes(f, window), family, model.image_size) for f in FRAMES])
    session = Sam2VideoInferenceSession(video=video, dtype=torch.float32)
    index = session.obj_id_to_idx(1)
    for frame, given in inputs.items():
        if isinstance(given, dict):
            session.add_point_inputs(index, frame, given)
        else:
            whole = torch.from_numpy(given)[None, None].float()
            square = torch.nn.functional.interpolate(
                whole, (SIZE, SIZE), mode="bilinear", antialias=True
            )
            session.add_mask_inputs(index, frame, (square >= 0.5).float())
        session.obj_with_new_inputs = [1]
        model(session, frame_idx=frame)
        if not isinstance(given, dict):
            trace = remembered(model, frame, given)
            stored = session.output_dict_per_obj[index]["cond_frame_outputs"][frame]
            stored |= {"object_pointer": trace.pointer[None], **trace.tokens}
    start = max(inputs) if start is None else start
    outs = model.propagate_in_video_iterator(session, start_frame_idx=start, reverse=reverse)
    return {out.frame_idx: out.pred_masks for out in outs}


def remembered(model, frame, mask):
    """What we remember of a prompted frame."""
    network = Network(model, "0" * 64, SAM2)
    maps, steps = network.maps(to_bytes(FRAMES[frame], (0, 255))), Steps(network)
    return steps.remember(maps, steps.from_mask(maps, mask))


def farthest(ours, reference):
    return max(float((ours[n] - reference[n]).abs().max()) for n in ours if n in reference)


@pytest.fixture(scope="module")
def reference(model):
    """Frame -> logits, from one mask in the middle, both ways."""
    given = {SEED: kit.disk(centre=(26, 28))}
    return {**theirs(model, given), **theirs(model, given, reverse=True)}


def clicks(network):
    """Points in a frame, for us and for transformers."""
    points = np.array([[20.0, 22.0], [30.0, 10.0]])
    given = Asked(points, np.array([1, 0]), np.zeros((0, 4)), None)
    placed = network.given(given, FRAMES.shape[1:])
    labels = placed["input_labels"]
    return given, {"point_coords": placed["input_points"], "point_labels": labels}


def run(network, change=None, **more):
    tracker = Watched(network, change, **more)
    found = tracker.run(task_of({SEED: kit.disk(centre=(26, 28))}))
    return tracker, found


def test_every_frame_both_ways_is_what_transformers_makes(network, reference):
    tracker, found = run(network)
    assert sorted(found) == [n for n in range(COUNT) if n != SEED]
    assert farthest(tracker.logits, reference) < 1e-3
    for index, frame in found.items():
        theirs = network.to_slice(reference[index][0], FRAMES.shape[1:])[0]
        assert (frame.mask == theirs).all()
        assert frame.mask.any()


@pytest.mark.parametrize(
    "change",
    [
        lambda memories, pointers: (memories[:1], pointers),
        lambda memories, pointers: (memories, pointers[:1]),
        lambda memories, pointers: ([(0, m) for _, m in memories], pointers),
        lambda memories, pointers: (memories, [(0, p) for _, p in pointers]),
    ],
    ids=["frames forgotten", "pointers forgotten", "frames undated", "pointers undated"],
)
def test_the_comparison_would_see_a_spoilt_memory(network, reference, change):
    tracker, _ = run(network, change)
    assert farthest(tracker.logits, reference) > 1e-2


def test_several_prompted_frames_are_looked_at_as_transformers_does(model, network):
    seeds = {2: kit.disk(centre=(20, 22)), 9: kit.disk(centre=(27, 29), radius=6)}
    tracker = Watched(network, direction="forward")
    tracker.run(task_of(seeds))
    assert farthest(tracker.logits, theirs(model, seeds, start=2)) < 1e-3


def test_points_and_a_box_are_decoded_as_transformers_does(model, network):
    given, asked = clicks(network)
    maps = network.maps(to_bytes(FRAMES[3], (0, 255)))
    seen = Steps(network).from_prompts(maps, given, FRAMES.shape[1:])
    assert float((seen.logits - theirs(model, {3: asked})[3]).abs().max()) < 1e-3


@pytest.mark.parametrize("name", ["sam2", "sam3", "edgetam"])
def test_from_clicks_all_is_what_transformers_makes_unchanged(name, monkeypatch):
    model, family = getattr(kit, name)(), FAMILIES[name]
    network = Network(model, "0" * 64, family)
    given, asked = clicks(network)

    def from_clicks(views, index):
        maps = views.maps(index)
        return views.steps.remember(maps, views.steps.from_prompts(maps, given, FRAMES.shape[1:]))

    monkeypatch.setattr(tracker_module._Views, "seed", from_clicks)
    tracker, _ = run(network)
    both = {
        **theirs(model, {SEED: asked}, family=family),
        **theirs(model, {SEED: asked}, family=family, reverse=True),
    }
    assert farthest(tracker.logits, both) < 1e-3
    spoilt, _ = run(network, lambda memories, pointers: (memories[:1], pointers[:1]))
    assert farthest(spoilt.logits, both) > 1e-2


def test_the_second_time_nothing_is_encoded_again(network, monkeypatch):
    _, first = run(network)
    monkeypatch.setattr(network, "_encoded", None)
    _, second = run(network)
    for index, frame in first.items():
        assert (frame.mask == second[index].mask).all()
        assert frame.confidence == second[index].confidence


def test_what_was_put_on_disk_gives_the_same(network, model):
    _, expected = run(network)
    small = Network(model, "0" * 64, SAM2)
    small.cache._memory = 1
    run(small)
    small._encoded = None
    _, found = run(small)
    assert all((found[n].mask == frame.mask).all() for n, frame in expected.items())


def test_between_two_prompted_slices_both_sides_meet(network):
    asked = []
    tracker = Watched(network, lambda m, p: asked.append(len(m)) or (m, p))
    found = tracker.run(task_of({4: kit.disk(), 10: kit.disk()}, first=2, last=12))
    assert list(found) == [5, 6, 7, 11, 12, 9, 8, 3, 2]
    assert max(asked) <= 2 + RECENT


def test_the_end_of_the_object_stops_the_run(model):
    with torch.no_grad():
        gone = kit.sam2()
        gone.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(-50.0)
    network = Network(gone, "0" * 64, SAM2)
    task = task_of({SEED: kit.disk()}, stop_when_empty=True)
    found = {f.index: f for f, _ in carry(SamTracker(spec(), network), task)}
    assert not any(f.mask.any() for f in found.values())
    assert max(f.confidence for f in found.values()) < 0.01


def test_a_drop_of_confidence_stops_the_run(network):
    _, all_found = run(network)
    limit = sorted(f.confidence for f in all_found.values())[1]
    _, some = run(network, drop=limit)
    assert len(some) < len(all_found)
    assert all(f.confidence >= limit for f in some.values())


@pytest.mark.parametrize("memory", ["fifo", "confident", "diverse", "sorted"])
def test_every_policy_runs_and_its_name_is_told(network, memory):
    tracker, found = run(network, memory=memory)
    assert len(found) == COUNT - 1
    told = tracker.describe([SEED], 0)
    assert f"memory '{memory}'" in told
    assert f"from slice {SEED} along k, in both directions" in told


def test_a_volume_along_any_axis_through_the_seam(network):
    volume = Image(np.moveaxis(FRAMES, 0, 2).astype(np.int16))
    mask = np.zeros(volume.shape, bool)
    mask[..., 5] = kit.disk()
    frames = list(propagate(volume, mask, [5], axis=2, model=SamTracker(spec(), network)))
    assert sorted(f.index for f in frames) == [n for n in range(COUNT) if n != 5]
    assert all(0 <= f.confidence <= 1 for f in frames)


def test_many_prompted_slices_cost_no_more_than_the_nearest(network):
    seen = []
    tracker = Watched(network, lambda m, p: seen.append(len(m)) or (m, p))
    tracker.run(task_of({n: kit.disk() for n in range(0, COUNT - 1)}))
    assert seen == [tracker_module.PROMPTED]


def test_clicks_and_tracking_share_what_is_encoded(network, monkeypatch):
    from medseg.models.sam.model import OpenSam

    image = Image(FRAMES, time_axis=True)
    opened = OpenSam(image, spec(), network)
    mask = opened.segment([Point([20, 18, SEED])])
    opened.ahead.wait()
    known = []
    encode = network._encoded
    monkeypatch.setattr(network, "_encoded", lambda rgb: known.append(1) or encode(rgb))
    list(propagate(image, mask, [SEED], first=6, last=10, model=SamTracker(spec(), network)))
    assert known == []
