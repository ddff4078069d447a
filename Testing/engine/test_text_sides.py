"""The left and the right lung by name, whichever way the image lies."""

import json

import numpy as np
import pytest
from ct_phantom import phantom
from medseg import Image, read_image
from medseg.errors import NothingFoundError
from medseg.io import read_labels
from medseg.models.embedded.text_rules import Rules
from phantoms import dice, turned

SMALL = {"shape": (50, 80, 120), "spacing": (4.0, 4.0, 5.0)}
ONE_SIDED = {"shape": (60, 50, 50), "spacing": (3.9, 3.9, 4.5)}
SIDES = ("left lung", "right lung")
AXES = {
    "as scanned": np.diag([-1.0, -1.0, 1.0]),
    "left and right exchanged": np.diag([1.0, -1.0, 1.0]),
    "face down": np.diag([1.0, 1.0, 1.0]),
    "feet first": np.diag([-1.0, 1.0, -1.0]),
    "oblique": turned() @ np.diag([-1.0, -1.0, 1.0]),
    "oblique, left-handed": turned() @ np.diag([1.0, -1.0, 1.0]),
}


def toward_right(image):
    """R (mm) of each voxel."""
    k, j, i = np.indices(image.shape)
    return image.ijk_to_ras(np.stack([i, j, k], axis=-1))[..., 0]


def scores(made):
    """Dice of each side; the phantom's middle is R = 0."""
    rules, right = Rules(made.image), toward_right(made.image) > 0
    lung = made.truth["lung"]
    truth = dict(zip(SIDES, (lung & ~right, lung & right), strict=True))
    return [dice(rules.find(name), truth[name]) for name in SIDES]


@pytest.mark.parametrize("axes", AXES.values(), ids=list(AXES))
def test_sides_are_the_patients_however_the_image_lies(axes):
    assert min(scores(phantom(shape=(52, 76, 112), spacing=(4.2,) * 3, axes=axes))) > 0.95


def test_an_image_cut_along_the_body_has_the_same_sides():
    axes = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    assert min(scores(phantom(shape=(100, 55, 64), spacing=(4.2,) * 3, axes=axes))) > 0.95


def test_both_sides_are_the_lungs_and_share_no_voxel():
    rules = Rules(phantom(**SMALL).image)
    left, right = (rules.find(name) for name in SIDES)
    assert not (left & right).any()
    np.testing.assert_array_equal(left | right, rules.find("lung"))


def test_lungs_that_touch_in_front_of_the_heart_are_told_apart():
    made = phantom(**SMALL)
    k, j, i = np.indices(made.image.shape)
    ras = made.image.ijk_to_ras(np.stack([i, j, k], axis=-1))
    bridge = (np.abs(ras[..., 0]) < 40) & (np.abs(ras[..., 1] - 40) < 6)
    bridge &= (ras[..., 2] > 0) & (ras[..., 2] < 60)
    values = np.where(bridge, np.int16(-850), made.image.array)
    joined = Image(values, made.image.affine, modality="CT")
    assert Rules(joined)._scan.label(Rules(joined)._lung)[1] == 1
    rules, right = Rules(joined), toward_right(joined) > 0
    lung = rules.find("lung")
    assert lung[bridge].mean() > 0.9
    assert dice(rules.find("left lung"), lung & ~right) > 0.97
    assert dice(rules.find("right lung"), lung & right) > 0.97


@pytest.mark.parametrize(("middle", "there", "absent"), [(-70.0, *SIDES), (70.0, *SIDES[::-1])])
def test_an_image_of_one_lung_has_no_other(middle, there, absent):
    made = phantom(**ONE_SIDED, middle=(middle, 0.0, 0.0))
    rules = Rules(made.image)
    assert dice(rules.find(there), made.truth["lung"]) > 0.9
    with pytest.raises(NothingFoundError, match=f"There is no {absent} in this image"):
        rules.find(absent)


@pytest.mark.parametrize("name", SIDES)
def test_an_abdomen_without_lungs_has_neither(name):
    belly = phantom(shape=(16, 80, 120), spacing=(4.0, 4.0, 5.0), middle=(0.0, -10.0, -110.0))
    with pytest.raises(NothingFoundError, match=f"There is no {name}"):
        Rules(belly.image).find(name)


@pytest.mark.parametrize("name", ["abdomen_ct", "abdomen_ct_short"])
def test_lung_bases_of_a_real_abdomen(shared_data, name):
    files = shared_data / "ct_organs"
    image = read_image(files / f"{name}.nii.gz")
    labels = read_labels(files / f"{name}_seg.nii.gz", image).array
    listed = json.loads((files / f"{name}_seg.labels.json").read_text())["labels"]
    rules = Rules(image)
    for side in ("left", "right"):
        lobes = [v for v, e in listed.items() if e["name"].startswith("lung")]
        lobes = [int(v) for v in lobes if listed[v]["name"].endswith(side)]
        assert dice(rules.find(f"{side} lung"), np.isin(labels, lobes)) > 0.93
