"""Accepted slices are carried to the others: where the object goes, ends, and comes back."""

import numpy as np
import pytest
from medseg import Image, InputError, ModelError, PromptError, read_image
from medseg.io import read_labels
from medseg.propagation import Found, Frame, propagate
from phantoms import affine, dice, image


def disks(centres, radii, size=64):
    """A stack ``(K, J, I)`` of disks; ``centres`` (j, i) and ``radii`` one a slice, 0 for none."""
    j, i = np.ogrid[:size, :size]
    return np.array(
        [
            (j - c[0]) ** 2 + (i - c[1]) ** 2 <= r * r if r else np.zeros((size, size), bool)
            for c, r in zip(centres, radii, strict=True)
        ]
    )


def tube(count=16, drift=1.5, radius=9):
    return disks([(28, 20 + drift * n) for n in range(count)], [radius] * count)


def only(truth, *seeds, axis=0):
    """The mask that is known at first: the truth in the seed slices alone."""
    mask = np.zeros_like(truth)
    for seed in seeds:
        np.moveaxis(mask, axis, 0)[seed] = np.take(truth, seed, axis=axis)
    return mask


def run(scan, mask, seeds, **more):
    """The mask after all frames, and the frames."""
    result, frames = mask.copy(), []
    for frame in propagate(scan, mask, seeds, **more):
        frame.patch.apply(result)
        frames.append(frame)
    return result, frames


def worst(found, truth, axis=0):
    """Dice in the worst slice."""
    return min(
        dice(a, b)
        for a, b in zip(np.moveaxis(found, axis, 0), np.moveaxis(truth, axis, 0), strict=True)
    )


@pytest.mark.parametrize("seed", [0, 7, 15])
def test_a_drifting_tube_is_followed_from_any_seed(seed):
    truth = tube()
    found, _ = run(image(truth), only(truth, seed), [seed])
    assert worst(found, truth) > 0.93


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 4.0), (3.0, 0.7, 1.0)])
def test_any_axis_and_spacing_will_do(axis, spacing):
    truth = np.moveaxis(tube(), 0, axis)
    found, _ = run(image(truth, affine(spacing)), only(truth, 7, axis=axis), [7], axis=axis)
    assert worst(found, truth, axis) > 0.9


@pytest.mark.parametrize(("low", "high", "noise"), [(200, 100, 6), (0, 1, 0), (-1000, 40, 120)])
def test_contrast_and_unit_do_not_matter(low, high, noise):
    truth = tube()
    scan = image(truth, low=low, high=high, noise=noise)
    found, _ = run(scan, only(truth, 7), [7])
    assert worst(found, truth) > 0.9


def test_a_neighbour_of_the_same_intensity_is_left_out():
    truth = tube(drift=0)
    both = truth | disks([(28, 41)] * 16, [10] * 16)
    found, _ = run(image(both), only(truth, 0), [0])
    assert worst(found, truth) > 0.85


def test_intensities_tell_of_a_sudden_change_of_size():
    truth = disks([(32, 32)] * 4, [22, 16, 15, 14])
    found, _ = run(image(truth), only(truth, 0), [0])
    assert worst(found, truth) > 0.9


def test_an_object_that_ends_is_not_drawn_beyond():
    truth = disks([(30, 30)] * 16, [10] * 9 + [0] * 7)
    found, frames = run(image(truth), only(truth, 4), [4])
    assert worst(found[:9], truth[:9]) > 0.9
    assert not found[9:].any()
    assert [f.confidence for f in frames if f.index > 9] == [0.0] * 6


def test_beyond_the_end_nothing_is_looked_for_unless_asked():
    truth = disks([(30, 30)] * 16, [10] * 6 + [0] * 3 + [10] * 7)
    ended, _ = run(image(truth), only(truth, 2), [2])
    going, _ = run(image(truth), only(truth, 2), [2], stop_when_empty=False)
    assert not ended[6:].any()
    assert worst(going[9:], truth[9:]) > 0.9


def test_what_the_mask_held_beyond_the_end_is_cleared():
    truth = disks([(30, 30)] * 12, [10] * 6 + [0] * 6)
    mask = only(truth, 2)
    mask[10, 5:9, 5:9] = True
    found, _ = run(image(truth), mask, [2])
    assert not found[10].any()


def film_with_a_gap():
    centres = [(30, 24 + 2 * n) for n in range(14)]
    return disks(centres, [9] * 5 + [0] * 3 + [9] * 6)


def test_a_blob_that_vanishes_in_a_film_comes_back():
    truth = film_with_a_gap()
    found, frames = run(image(truth, time_axis=True), only(truth, 0), [0])
    present = truth.any((1, 2))
    assert not found[~present].any()
    assert worst(found[present], truth[present]) > 0.85
    sure = {f.index: f.confidence for f in frames}
    assert max(sure[n] for n in (5, 6, 7)) < 0.3 < min(sure[n] for n in (1, 4, 8, 13))


def test_colour_alone_shows_the_object():
    truth = tube(drift=1.0)
    red = np.where(truth, 180, 60) + np.random.default_rng(0).normal(0, 6, truth.shape)
    scan = Image(np.stack([red, 240 - red, np.full(truth.shape, 120.0)], -1), time_axis=True)
    found, _ = run(scan, only(truth, 0), [0])
    assert np.ptp(scan.array.mean(-1)) < 1e-9
    assert worst(found, truth) > 0.9


def test_two_seeds_meet_better_than_either_alone():
    # Nothing but noise: all that is known is the shape at both ends.
    truth = disks([(32, 32)] * 13, np.linspace(7, 19, 13))
    scan = image(truth, low=100, high=100, noise=6)
    pair, _ = run(scan, only(truth, 0, 12), [0, 12])
    assert worst(pair, truth) > 0.62
    for alone in (0, 12):
        single, _ = run(scan, only(truth, alone), [alone])
        assert worst(single, truth) < 0.4


def test_between_seeds_the_object_may_be_out_of_sight():
    truth = tube(13, drift=0)
    scan = image(truth)
    scan.array[2:5] = 100
    found, _ = run(scan, only(truth, 0, 6), [0, 6], last=6)
    assert dice(found[5], truth[5]) > 0.9


def test_between_two_seeds_both_ends_take_turns():
    truth = tube(9, drift=0)
    _, frames = run(image(truth), only(truth, 0, 8), [0, 8])
    assert [f.index for f in frames] == [1, 7, 2, 6, 3, 5, 4]


def test_from_each_seed_the_way_goes_outward():
    truth = tube(9, drift=0)
    _, frames = run(image(truth), only(truth, 4), [4])
    assert [f.index for f in frames] == [3, 2, 1, 0, 5, 6, 7, 8]


def test_seeds_stay_and_nothing_changes_out_of_range():
    truth = tube()
    mask = only(truth, 5, 9)
    mask[5, :3] = True
    mask[14, 50:, 50:] = True
    before = mask.copy()
    found, frames = run(image(truth), mask, [9, 5], first=3, last=12)
    assert sorted(f.index for f in frames) == [3, 4, 6, 7, 8, 10, 11, 12]
    assert (found[[5, 9]] == before[[5, 9]]).all()
    assert (found[:3] == before[:3]).all()
    assert (found[13:] == before[13:]).all()
    assert (mask == before).all()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_patch_stays_in_its_slice(axis):
    truth = np.moveaxis(tube(8), 0, axis)
    _, frames = run(image(truth), only(truth, 4, axis=axis), [4], axis=axis)
    for frame in frames:
        assert (frame.patch.start[axis], frame.patch.stop[axis]) == (frame.index, frame.index + 1)


def test_the_fraction_grows_to_one():
    truth = disks([(30, 30)] * 12, [10] * 9 + [0] * 3)
    _, frames = run(image(truth), only(truth, 4), [4])
    assert np.allclose([f.fraction for f in frames], np.arange(1, 12) / 11)


def test_the_same_call_gives_the_same_frames():
    truth = tube(8)
    scan, mask = image(truth), only(truth, 3)
    first, second = (run(scan, mask, [3])[1] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert a.confidence == b.confidence
        assert (a.patch.voxels == b.patch.voxels).all()


class Counting:
    """A tracker that copies the seed and counts what it was asked for."""

    name, colour = "counting", False

    def __init__(self):
        self.asked = []
        self.closed = False

    def track(self, task):
        try:
            for gap in task.gaps():
                for index in gap.indices:
                    self.asked.append(index)
                    seed = gap.before if gap.after is None else gap.after
                    yield Found(index, task.seeds[seed], 0.5)
        finally:
            self.closed = True


def test_frames_are_computed_one_by_one_and_closing_stops():
    truth = tube(8, drift=0)
    tracker = Counting()
    frames = propagate(image(truth), only(truth, 0), [0], model=tracker)
    assert tracker.asked == []
    frame = next(frames)
    assert (tracker.asked, frame.index) == ([1], 1)
    frames.close()
    assert (tracker.asked, tracker.closed) == ([1], True)


def test_a_tracker_of_ones_own_needs_nothing_else():
    truth = tube(8, drift=0)
    found, frames = run(image(truth), only(truth, 3), [3], model=Counting())
    assert (found == truth).all()
    assert all(isinstance(f, Frame) and f.confidence == 0.5 for f in frames)


def test_a_mask_edited_on_the_way_does_not_matter():
    truth = tube(8)
    scan, mask = image(truth), only(truth, 0)
    expected, _ = run(scan, mask, [0])
    for frame in propagate(scan, mask, [0]):
        frame.patch.apply(mask)
    assert (mask == expected).all()


@pytest.mark.parametrize(
    ("seeds", "more", "sentence"),
    [
        ([], {}, "There is no seed slice; accept the mask of at least one slice first."),
        ([2], {}, "Seed slice 2 is empty; segment the object there first."),
        ([3], {"first": 4}, "Seed slice 3 lies outside the range 4 to 7; widen the range."),
        ([-1], {}, "Seed slice -1 lies outside the range 0 to 7; widen the range."),
        ([3], {"axis": 3}, "Axis 3 does not exist; choose 0, 1 or 2 for k, j or i."),
        (
            [3],
            {"first": 5, "last": 1},
            "The first slice (5) lies behind the last (1); swap them.",
        ),
        ([3], {"last": 8}, "Slices 0 to 8 reach out of the image, which has 0 to 7."),
    ],
)
def test_a_bad_request_is_refused_at_once(seeds, more, sentence):
    truth = tube(8)
    with pytest.raises(PromptError) as caught:
        propagate(image(truth), only(truth, 3), seeds, **more)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("shape", [(5, 7, 6), (5, 1, 9), (5, 9, 1), (2, 3, 3), (3, 600, 500)])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_odd_shapes_and_one_voxel_objects_come_through(shape, channels):
    values = np.random.default_rng(0).integers(0, 255, (*shape, *channels), dtype=np.uint8)
    mask = np.zeros(shape, bool)
    mask[0, 0, 0] = True
    found, frames = run(Image(values), mask, [0])
    assert [f.index for f in frames] == list(range(1, shape[0]))
    assert np.count_nonzero(found[0]) == 1
    assert all(0 <= f.confidence <= 1 for f in frames)


def test_an_image_without_any_contrast_keeps_the_shape():
    truth = tube(5, drift=0)
    found, _ = run(Image(np.full(truth.shape, 7, np.int16)), only(truth, 2), [2])
    assert worst(found, truth) > 0.8


def test_a_mask_of_another_shape_is_refused():
    truth = tube(8)
    with pytest.raises(PromptError, match=r"shape \(7, 64, 64\).*resample the mask"):
        propagate(image(truth), truth[:7], [3])


def test_colour_is_refused_by_a_tracker_that_takes_none():
    truth = tube(8)
    scan = Image(np.zeros((*truth.shape, 3), np.uint8))
    with pytest.raises(InputError, match="'counting' propagates in grey images only"):
        propagate(scan, truth, [3], model=Counting())


def test_not_a_number_is_refused():
    truth = tube(8)
    scan = image(truth)
    scan.array[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not numbers"):
        propagate(scan, truth, [3])


def test_an_unknown_model_is_refused():
    truth = tube(8)
    with pytest.raises(ModelError, match="'nobody' cannot propagate; choose one of geodesic-cut"):
        propagate(image(truth), truth, [3], model="nobody")


@pytest.mark.parametrize(("label", "floor"), [(5, 0.88), (1, 0.9)], ids=["liver", "spleen"])
def test_organs_of_a_ct_from_their_middle_slice(shared_data, label, floor):
    scan = read_image(shared_data / "ct_organs/abdomen_ct.nii.gz")
    truth = read_labels(shared_data / "ct_organs/abdomen_ct_seg.nii.gz").array == label
    slices = np.flatnonzero(truth.any((1, 2)))
    seed = int(slices[len(slices) // 2])
    found, _ = run(scan, only(truth, seed), [seed], first=int(slices[0]), last=int(slices[-1]))
    assert dice(found, truth) > floor
