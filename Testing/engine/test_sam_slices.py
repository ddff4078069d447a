"""Prompts in slices: which slice, what the network is shown, what comes back."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import threading

import numpy as np
import sam_kit as kit
import torch
from medseg import Box, Image, Lasso, Point, PromptError, Scribble, Session
from medseg.models.sam.families import FAMILIES
from medseg.models.sam.features import Ahead, FeatureCache, key_of
from medseg.models.sam.model import OpenSam, find_sam
from medseg.models.sam.network import Network
from medseg.models.sam.pixels import to_bytes, to_input, window_of
from medseg.models.sam.planes import GridPlane, ObliquePlane, natural_axis, planes_of
from medseg.models.sam.spec import Spec
from medseg.models.sam.strokes import Asked, asked, recist_box
from medseg.slices import Stack
from phantoms import affine, turned

SAM, SAM2, MEDSAM = FAMILIES["sam"], FAMILIES["sam2"], FAMILIES["medsam"]
SHAPE = (9, 40, 48)


@pytest.fixture(scope="module")
def networks():
    return {
        "sam": Network(kit.sam(), "a" * 64, SAM),
        "sam2": Network(kit.sam2(), "b" * 64, SAM2),
        "medsam": Network(kit.sam(), "a" * 64, MEDSAM),
    }


@pytest.fixture(params=["sam", "sam2"])
def network(request, networks):
    return networks[request.param]


def spec(family=SAM2, **more):
    return Spec(f"{family.name}:somewhere", family, "somewhere", **more)


def opened(network, image=None, **more):
    image = Image(kit.pictures(9)) if image is None else image
    return OpenSam(image, spec(network.family, **more), network)


def filled(mask, axis=0):
    """Slices that hold something."""
    others = tuple(n for n in range(3) if n != axis)
    return np.flatnonzero(mask.any(others)).tolist()


# what a network is shown


def test_ct_is_shown_in_its_window_and_bytes_as_they_are():
    values = np.array([[[-2000, -160, 40, 240, 3000]]], np.int16)
    stack = Stack(Image(values, modality="CT"))
    shown = to_bytes(stack.pixels(0), window_of(stack))
    assert shown[0, :, 0].tolist() == [0, 0, 127, 255, 255]
    assert shown.shape == (1, 5, 3)
    bytes_ = np.arange(24, dtype=np.uint8).reshape(1, 4, 6)
    assert (to_bytes(bytes_[0], window_of(Stack(Image(bytes_))))[..., 1] == bytes_[0]).all()


def test_other_modalities_are_shown_between_percentiles_of_what_is_above_zero():
    random = np.random.default_rng(0)
    values = random.normal(500, 50, (4, 30, 30)) * (random.random((4, 30, 30)) > 0.5)
    low, high = window_of(Stack(Image(values, modality="MR")))
    assert (low, high) == pytest.approx(np.percentile(values[values > 0], [0.5, 99.5]))


def test_a_window_of_ones_own_is_used(networks):
    values = np.random.default_rng(0).integers(-1000, 2000, SHAPE).astype(np.int16)
    image = Image(values, modality="CT")
    lung = opened(networks["sam2"], image, window=(-1000.0, 0.0))
    soft = opened(networks["sam2"], image)
    click = [Point(image.ijk_to_ras([20, 20, 4]))]
    assert (lung.segment(click) != soft.segment(click)).any()


def test_colour_is_shown_in_colour():
    frames = np.random.default_rng(0).integers(0, 255, (2, 8, 9, 3)).astype(np.uint8)
    assert (to_bytes(frames[1], (0, 255)) == frames[1]).all()


@pytest.mark.parametrize("name", ["sam2", "medsam2", "sam", "medsam"])
def test_slices_are_resized_as_pillow_does_where_the_authors_use_it(name):
    image_module = pytest.importorskip("PIL.Image")
    family, rgb = FAMILIES[name], to_bytes(kit.pictures(1)[0], (0, 255))
    a, b = (53, 64) if family.padded else (64, 64)
    resample = image_module.BICUBIC if family.cubic else image_module.BILINEAR
    theirs = np.asarray(image_module.fromarray(rgb).resize((b, a), resample), np.float32)
    ours = to_input(rgb, family, 64)[0].permute(1, 2, 0).numpy()
    if family.norm is None:
        theirs = (theirs - theirs.min()) / (theirs.max() - theirs.min())
        assert (ours.min(), ours.max()) == (0, 1)
    else:
        theirs = (theirs / 255 - np.array(family.norm[0])) / np.array(family.norm[1])
    assert np.abs(ours[:a, :b] - theirs).max() < 0.03
    assert not ours[a:].any()


# which slice


def test_points_belong_to_the_natural_slices():
    assert natural_axis(Image(np.zeros((9, 9, 9)))) == 0
    assert natural_axis(Image(np.zeros((9, 9, 9)), affine((5, 1, 1)))) == 2
    assert natural_axis(Image(np.zeros((9, 1, 9)))) == 1
    assert natural_axis(Image(np.zeros((9, 9, 9)), affine((5, 1, 1)), time_axis=True)) == 0
    standing = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 0]], float)
    assert natural_axis(Image(np.zeros((9, 9, 9)), affine(rotation=standing))) == 1


def test_a_click_changes_its_slice_only(network):
    image = Image(kit.pictures(9))
    mask = opened(network, image).segment([Point([20, 18, 4])])
    assert filled(mask) == [4]


def test_prompts_in_two_slices_make_two_slices(network):
    mask = opened(network).segment([Point([20, 18, 4]), Point([20, 18, 6])])
    assert filled(mask) == [4, 6]


def test_prompts_of_a_slice_are_decoded_together(network):
    here = opened(network)
    one, both = [Point([20, 18, 4])], [Point([20, 18, 4]), Point([35, 30, 4], include=False)]
    given = asked(planes_of(here._image, both, 0)[0][0], both, network.family, None)
    assert given.labels.tolist() == [1, 0]
    assert (here.segment(both) != here.segment(one)).any()
    assert filled(here.segment(both)) == [4]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flat_box_has_a_slice_of_its_own_along_any_axis(network, axis):
    image = Image(kit.pictures(40, (40, 40)), affine((0.8, 0.8, 0.8)))
    size = np.full(3, 14.0)
    size[2 - axis] = 0
    centre = image.ijk_to_ras([20, 18, 21])
    mask = opened(network, image).segment([Box(centre, size)])
    assert filled(mask, axis) == [{0: 21, 1: 18, 2: 20}[axis]]


def test_a_click_joins_the_plane_that_it_lies_in():
    image = Image(np.zeros((20, 20, 20)))
    coronal = Box([10, 8, 10], [6, 0, 6])
    planes = planes_of(image, [Point([9, 8, 10]), coronal, Point([9, 3, 10])], 0)
    assert [(p.axis, p.index, listed) for p, listed in planes] == [(1, 8, [0, 1]), (0, 10, [2])]


def test_a_declared_plane_is_used_for_clicks(networks):
    mask = opened(networks["sam2"], plane=1).segment([Point([20, 18, 4])])
    assert filled(mask, 1) == [18]


def test_a_box_with_depth_has_all_slices_that_it_crosses(networks):
    image = Image(kit.pictures(9))
    steps = []
    mask = opened(networks["medsam"], image).segment(
        [Box([22, 20, 4], [16, 16, 4.5])], progress=steps.append
    )
    assert set(filled(mask)) <= {2, 3, 4, 5, 6}
    assert steps == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


@pytest.mark.parametrize("kind", ["box", "lasso", "scribble"])
def test_what_is_drawn_in_an_oblique_view_marks_voxels_along_it_only(networks, kind):
    image = Image(kit.pictures(40, (40, 40)), affine((1.0, 1.0, 1.2), turned()))
    centre = image.ijk_to_ras([20, 20, 20])
    axes = turned().T
    flat = np.array([[-8, -8], [8, -8], [8, 8], [-8, 8]]) @ axes[:, :2].T + centre
    prompt = {
        "box": Box(centre, [16, 16, 0], axes),
        "lasso": Lasso(flat),
        "scribble": Scribble(flat[[0, 1, 2]]),
    }[kind]
    (plane, _), *others = planes_of(image, [prompt], 0)
    assert others == []
    assert isinstance(plane, ObliquePlane)
    assert plane.locate(centre[None])[0] == pytest.approx(
        np.array(plane.locate(flat)).mean(0), abs=0.5
    )
    mask = opened(networks["sam2"], image).segment([prompt])
    assert mask.any()
    ras = image.ijk_to_ras(np.argwhere(mask)[:, ::-1])
    assert np.abs((ras - centre) @ axes[:, 2]).max() <= 1.5


def test_an_oblique_slice_shows_the_image_and_comes_back():
    k, j, i = np.indices((30, 30, 30)).astype(float)
    image = Image(2 * i + 3 * j + 5 * k, affine((1.0, 0.9, 1.2), turned()))
    centre = image.ijk_to_ras([15, 14, 13])
    plane = ObliquePlane(image, centre, turned().T[:, 2])
    at = plane.locate(centre[None])[0]
    a, b = np.round(at).astype(int)
    assert plane.pixels()[a, b] == pytest.approx(2 * 15 + 3 * 14 + 5 * 13, abs=8)
    flat = np.zeros(plane.shape, bool)
    flat[a - 6 : a + 7, b - 6 : b + 7] = True
    volume = np.zeros(image.shape, bool)
    plane.lift(flat, volume)
    assert volume[13, 14, 15]
    again = plane.cut(volume)
    assert np.count_nonzero(again & flat) / np.count_nonzero(again | flat) > 0.6


def test_a_stroke_through_space_is_refused(networks):
    image = Image(kit.pictures(40, (40, 40)))
    stroke = Scribble([[5, 5, 5], [30, 8, 9], [8, 30, 20], [30, 30, 35]])
    with pytest.raises(PromptError, match="does not lie in one plane; draw it in a single slice"):
        opened(networks["sam2"], image).segment([stroke])


def test_a_recist_line_becomes_a_square_box():
    box = recist_box([10, 10, 5], [20, 10, 5], np.array([0.0, 0.0, 1.0]), shift_mm=1)
    assert box.center.tolist() == [15, 10, 5]
    assert box.size.tolist() == [12, 12, 0]
    with pytest.raises(PromptError, match="two different ends"):
        recist_box([1, 1, 1], [1, 1, 1], np.array([0.0, 0.0, 1.0]))


# what comes back


def test_a_point_has_three_candidates_and_the_surest_is_taken(network):
    here = opened(network)
    found = here.candidates([Point([20, 18, 4])])
    assert [c.iou for c in found] == sorted((c.iou for c in found), reverse=True)
    assert len(found) == 3
    assert (here.segment([Point([20, 18, 4])])[4] == found[0].mask).all()
    assert len(here.candidates([Box([20, 18, 4], [16, 16, 0])])) == 1


def test_a_start_mask_is_corrected_in_its_slice_and_kept_elsewhere(network):
    here = opened(network)
    start = np.zeros((9, 40, 48), bool)
    start[3:6] = kit.disk()
    click = [Point([35, 30, 4])]
    mask = here.segment(click, start)
    assert (mask[3] == start[3]).all()
    assert (mask[4] != here.segment(click)[4]).any()


def test_nothing_that_says_where_leaves_the_slice_empty(network):
    assert not opened(network).segment([Point([20, 18, 4], include=False)]).any()


def test_medsam_takes_boxes_around_the_object_only(networks):
    here = opened(networks["medsam"])
    assert here.segment([Box([20, 18, 4], [16, 16, 0])]).any()
    with pytest.raises(PromptError, match="MedSAM takes boxes around the object only"):
        here.segment([Box([20, 18, 4], [16, 16, 0], include=False)])


def test_a_session_runs_on_it_with_undo(tmp_path):
    kit.saved(kit.sam2(), tmp_path)
    session = Session(Image(kit.pictures(9)), find_sam(f"sam2:{tmp_path}"))
    session.add(Point([20, 18, 4]))
    first = session.mask.copy()
    session.add(Point([35, 30, 4], include=False))
    session.undo()
    assert (session.mask == first).all()


def test_the_same_prompts_make_the_same_mask_whatever_was_known(network):
    click = [Point([20, 18, 4])]
    first = opened(network).segment(click)
    network.forget()
    assert (opened(network).segment(click) == first).all()
    assert (opened(network).segment(click) == first).all()


# parity with transformers' own call


def test_sam_answers_as_transformers_does(networks):
    """Same processor steps (longest side, padding, mean and deviation) as in `SamProcessor`."""
    network = networks["sam"]
    rgb = to_bytes(kit.pictures(1, (48, 64))[0], (0, 255))
    pixels = torch.from_numpy(rgb).permute(2, 0, 1) / 255 - torch.tensor(SAM.norm[0])[:, None, None]
    pixels = torch.nn.functional.pad(
        pixels / torch.tensor(SAM.norm[1])[:, None, None], (0, 0, 0, 16)
    )
    points, box = np.array([[20.0, 30.0], [4.0, 6.0]]), np.array([[10.0, 12.0, 30.0, 40.0]])
    with torch.inference_mode():
        out = network.module(
            pixel_values=pixels[None],
            input_points=torch.tensor(points[None, None, :, ::-1].copy()).float(),
            input_labels=torch.tensor([[[1, 0]]]),
            input_boxes=torch.tensor(box[None][:, :, [1, 0, 3, 2]]).float(),
            multimask_output=False,
        )
        given = Asked(points, np.array([1, 0]), box, None)
        moved = Asked(points + 5, np.array([1, 0]), box + 5, None)
        other, _ = network._decode(network.maps(rgb), moved, rgb.shape[:2], False)
        logits, ious = network._decode(network.maps(rgb), given, rgb.shape[:2], False)
    assert float((logits - out.pred_masks[0, 0]).abs().max()) < 1e-3
    assert float(np.abs(ious - out.iou_scores[0, 0].numpy()).max()) < 1e-4
    assert float((other - out.pred_masks[0, 0]).abs().max()) > 1e-2


def test_sam2_answers_as_transformers_does(networks):
    network = networks["sam2"]
    rgb = to_bytes(kit.pictures(1, (64, 64))[0], (0, 255))
    points = np.array([[20.0, 30.0]])
    given = Asked(points, np.array([1]), np.zeros((0, 4)), None)
    with torch.inference_mode():
        module, picture = network.module, to_input(rgb, SAM2, 64)
        placed = {
            "input_points": torch.tensor([[[[30.0, 20.0]]]]),
            "input_labels": torch.ones(1, 1, 1).int(),
        }
        out = module._single_frame_forward(
            image_embeddings=module.get_image_embeddings(picture), multimask_output=True, **placed
        )
        logits, ious = network._decode(network.maps(rgb), given, (64, 64), True)
    assert float(np.abs(ious - out.iou_scores[0, 0].numpy()).max()) < 1e-4
    best = logits[int(np.argmax(ious))]
    assert float((best - out.pred_masks[0, 0]).abs().max()) < 1e-3


# what is kept


def maps(value, shape=(4, 4)):
    return [np.full((1, 2, *shape), value, np.float32), np.full((1, 3), value, np.float16)]


def test_a_cache_keeps_what_fits_near_then_far_then_drops_the_oldest():
    size = sum(m.nbytes for m in maps(0))
    cache = FeatureCache(memory=2 * size, disk=3 * size)
    for n in range(7):
        cache.put(bytes([n]), maps(n))
    assert [bytes([n]) in cache for n in range(7)] == [False, False] + [True] * 5
    for n in (2, 6, 3, 5, 4):
        found = cache.get(bytes([n]))
        assert all(
            (a == b).all() and a.dtype == b.dtype for a, b in zip(found, maps(n), strict=True)
        )
    assert cache.get(b"0") is None


def test_a_cache_without_disk_drops():
    cache = FeatureCache(memory=1, disk=0)
    cache.put(b"a", maps(1))
    cache.put(b"b", maps(2))
    assert cache.get(b"a") is None
    assert cache.get(b"b") is not None


def test_a_cache_lives_on_when_the_disk_refuses(monkeypatch):
    def full(**_):
        raise OSError("no space left on device")

    monkeypatch.setattr("medseg.models.sam.features.tempfile.TemporaryFile", full)
    cache = FeatureCache(memory=1)
    cache.put(b"a", maps(1))
    cache.put(b"b", maps(2))
    assert cache.get(b"a") is None
    assert cache.get(b"b") is not None


def test_slices_that_show_the_same_are_the_same():
    a, b = kit.pictures(2)
    assert key_of(a) == key_of(a.copy())
    assert key_of(a) != key_of(b)
    assert key_of(a) != key_of(a.T.copy())


def test_the_neighbours_of_a_click_are_encoded_ahead(networks):
    network = networks["sam2"]
    network.forget()
    image = Image(kit.pictures(9))
    here = opened(network, image)
    here.segment([Point([20, 18, 4])])
    here.ahead.wait(60)
    known = [n for n in range(9) if network.knows(to_bytes(image.array[n], (0, 255)))]
    assert known == [2, 3, 4, 5, 6]


def test_ahead_forgets_what_is_no_longer_wanted():
    started, goes_on, done = threading.Event(), threading.Event(), []

    def encode(n):
        started.set()
        goes_on.wait(10)
        done.append(n)

    ahead = Ahead(encode)
    ahead.want([lambda n=n: n for n in (1, 2, 3)])
    started.wait(10)
    ahead.want([lambda: 9])
    goes_on.set()
    ahead.wait(10)
    assert done == [1, 9]
    ahead.want([lambda: 10])
    ahead.stop(10)
    assert done in ([1, 9], [1, 9, 10])


def test_running_short_ahead_is_nobodys_error():
    def encode(n):
        raise MemoryError

    ahead = Ahead(encode)
    ahead.want([lambda: 1, lambda: 2])
    ahead.wait(10)
    assert ahead._next == []


def test_two_threads_encode_a_slice_once(networks, monkeypatch):
    network = networks["sam2"]
    network.forget()
    count = []
    encode = network._encoded
    monkeypatch.setattr(network, "_encoded", lambda rgb: count.append(1) or encode(rgb))
    rgb = to_bytes(kit.pictures(1)[0], (0, 255))
    threads = [threading.Thread(target=network.maps, args=(rgb,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(count) == 1


def test_a_grid_plane_takes_and_gives_its_slice():
    image = Image(np.arange(60.0).reshape(3, 4, 5))
    plane = GridPlane(image, 1, 2)
    assert (plane.pixels() == image.array[:, 2]).all()
    volume = np.zeros(image.shape, bool)
    plane.lift(np.ones((3, 5), bool), volume)
    assert filled(volume, 1) == [2]
    assert plane.cut(volume).all()
