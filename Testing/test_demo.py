"""The parts of the demo: images are found, slices and surfaces show what is there."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from medseg import Image, InputError, Point
from medseg.io import read_image

sys.path.insert(0, str(Path(__file__).parents[1] / "Resources" / "demo"))


import demo
import pictures
import sources
import structures
import surface

BLACK = (0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def head():
    return read_image(sources.head(sources.T1))


@pytest.fixture(scope="module")
def film():
    return read_image(sources.echocardiogram())


def test_the_wheels_hold_the_images(head, film):
    assert (head.shape, head.spacing) == ((189, 233, 197), (1.0, 1.0, 1.0))
    assert (film.shape, film.time_axis) == ((30, 240, 320), True)


def test_a_missing_image_says_what_to_do():
    with pytest.raises(InputError, match="make clean"):
        sources.head("nothing.nii.gz")


def test_all_prompts_lie_in_their_image(head, film):
    for image, listed in ((head, structures.HEAD), (film, structures.FILM)):
        for structure in listed:
            for prompt in structure.prompts:
                places = prompt.positions()
                center = places.mean(0) if prompt.kind == "box" else places[0]
                assert image.voxel_at(center) is not None, structure.name


def test_every_structure_of_the_head_is_found_beside_the_others():
    found = demo.segment_head(demo.find())
    assert [s.name for s in found.segments] == [s.name for s in structures.HEAD]
    assert min(s.mask.sum() for s in found.segments) > 3000  # a thalamus has 6 mL


@pytest.fixture
def ball():
    """A ball of 8 mm radius at R 10, A 0, S 0 in voxels of 1 x 1 x 2 mm."""
    image = Image(np.ones((20, 40, 50), np.int16), np.diag([1.0, 1, 2, 1]))
    image.affine[:3, 3] = [-15, -20, -20]
    k, j, i = np.indices(image.shape)
    ras = image.ijk_to_ras(np.stack([i, j, k], axis=-1))
    return image, ((ras - [10, 0, 0]) ** 2).sum(-1) < 64


def test_a_ball_looks_like_a_disc_of_its_size(ball):
    image, mask = ball
    view = surface.View((0, -1, 0), pixel=0.5)
    picture = surface.render(image, [surface.Surface(mask, (1.0, 0.5, 0.2))], view, BLACK)
    lit = picture.sum(-1) > 0.1
    rows, columns = picture.shape[:2]
    assert rows == pytest.approx(32, abs=4)
    assert columns == pytest.approx(32, abs=4)
    assert lit.mean() == pytest.approx(np.pi / 4, abs=0.15)


def test_light_comes_from_above(ball):
    image, mask = ball
    view = surface.View((0, -1, 0), pixel=0.5)
    picture = surface.render(image, [surface.Surface(mask, (1.0, 1.0, 1.0))], view, BLACK)
    half = len(picture) // 2
    assert picture[:half].mean() > 1.2 * picture[half:].mean()


def test_glass_lets_what_is_inside_shine_through(ball):
    image, mask = ball
    inner = mask & (np.indices(mask.shape)[0] == 10)
    red, shell = surface.Surface(inner, (1.0, 0, 0)), surface.Surface(mask, (0, 0, 1.0), True)
    picture = surface.render(image, [red, shell], surface.View((0, -1, 0), pixel=0.5), BLACK)
    middle = picture[len(picture) // 2, picture.shape[1] // 2]
    assert middle[0] > middle[2]


def test_the_patients_right_is_on_the_left(ball):
    image, mask = ball
    drawn = pictures.Drawn("ball", (1.0, 0, 0), mask, (Point([10, 0, 0]),))
    figure, axis = plt.subplots()
    pictures.draw_slice(axis, image, [drawn], pictures.AXIAL, 0.0)
    right = axis.transAxes.inverted().transform(axis.transData.transform((18.0, 0.0)))
    left = axis.transAxes.inverted().transform(axis.transData.transform((2.0, 0.0)))
    plt.close(figure)
    assert right[0] < left[0]


def test_sagittal_slices_look_to_the_left_and_stand_upright(ball):
    image, mask = ball
    drawn = pictures.Drawn("ball", (1.0, 0, 0), mask, ())
    figure, axis = plt.subplots()
    pictures.draw_slice(axis, image, [drawn], pictures.SAGITTAL, 10.0)
    place = axis.transAxes.inverted().transform
    nose = place(axis.transData.transform((8.0, 0.0)))
    vertex = place(axis.transData.transform((0.0, 8.0)))
    plt.close(figure)
    assert nose[0] < 0.5 < vertex[1]


def test_the_halved_structure_is_the_patients_right(ball):
    image, _ = ball
    k, j, i = np.nonzero(demo.right_half(image))
    assert image.ijk_to_ras(np.column_stack([i, j, k]))[:, 0].min() > 2
