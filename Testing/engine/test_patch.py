"""Patches carry exactly what changed."""

import numpy as np
from medseg import MaskPatch
from medseg.patch import bounding_box


def empty():
    return np.zeros((4, 5, 6), bool)


def test_box_of_an_empty_mask_is_none():
    assert bounding_box(empty()) is None


def test_box_is_tight_in_array_order():
    mask = empty()
    mask[1, 2, 3] = mask[2, 4, 3] = True
    assert bounding_box(mask) == (slice(1, 3), slice(2, 5), slice(3, 4))


def test_patch_of_equal_masks_is_empty_and_applies_to_nothing():
    patch = MaskPatch.between(empty(), empty())
    mask = ~empty()
    patch.apply(mask)
    assert patch.empty
    assert mask.all()


def test_patch_turns_before_into_after_and_back():
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 4, 5, 6)) > 0.8
    patch = MaskPatch.between(before, after)
    undoing = patch.undoing(before)
    mask = before.copy()
    patch.apply(mask)
    np.testing.assert_array_equal(mask, after)
    undoing.apply(mask)
    np.testing.assert_array_equal(mask, before)


def test_patch_holds_only_the_changed_box():
    after = empty()
    after[1:3, 2:4, 5] = True
    patch = MaskPatch.between(empty(), after)
    assert (patch.start, patch.stop) == ((1, 2, 5), (3, 4, 6))
    assert patch.voxels.shape == (2, 2, 1)


def test_patch_keeps_its_own_voxels():
    after = empty()
    after[0, 0, 0] = True
    patch = MaskPatch.between(empty(), after)
    after[:] = False
    assert patch.voxels.all()
