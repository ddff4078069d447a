"""Boxes and loops of the embedded model: what it looks at, and what it makes of them."""

import numpy as np
import pytest
from medseg import Box, Image, Lasso, Session, find
from medseg.models.embedded import enclosed, parts
from medseg.models.embedded.features import prepare
from medseg.models.embedded.frame import Frame, Region
from medseg.patch import bounding_box
from phantoms import affine, at, ball, dice, image, middle, turned

BALL = ball()


def box_around(scan, truth, loose=0.0, include=True):
    """Along the axes of the image, each side farther out by a part of the edge."""
    box = bounding_box(truth)
    low, high = (np.array([getattr(s, end) for s in box])[::-1] for end in ("start", "stop"))
    spacing = np.array(scan.spacing)
    centre = scan.ijk_to_ras((low + high - 1) / 2)
    size = (high - low) * spacing * (1 + 2 * loose)
    return Box(centre, size, scan.affine[:3, :3] / spacing, include)


def region_of(box):
    return Region(box.center, box.axes, box.size / 2)


def frame_of(scan, box):
    i, j, k = scan.spacing
    return Frame.of(region_of(box), scan, prepare(scan.array, (k, j, i)))


def inscribed(scan, box):
    """The ellipsoid in a box, as a mask ``(K, J, I)``."""
    every = np.indices(scan.shape).reshape(3, -1).T
    place = (scan.ijk_to_ras(every[:, ::-1]) - box.center) @ box.axes / (box.size / 2)
    return (np.square(place).sum(1) <= 1).reshape(scan.shape)


@pytest.mark.parametrize("rotation", [None, turned()], ids=["straight", "oblique"])
def test_a_frame_shows_the_image_where_it_lies(rotation):
    """An image whose values are the positions: each sample holds its own place."""
    matrix = affine((1.0, 1.2, 1.5), rotation)
    shape = (30, 32, 34)
    ijk = np.indices(shape).reshape(3, -1).T[:, ::-1]
    places = Image(np.zeros(shape, np.float32), matrix).ijk_to_ras(ijk)
    axes = turned()
    scan = Image((places @ axes[:, 0]).reshape(shape).astype(np.float32), matrix)
    centre = scan.ijk_to_ras([17, 16, 15])
    frame = frame_of(scan, Box(centre, [12, 10, 14], axes))
    told = centre @ axes[:, 0] + frame.across[0] * 6
    assert frame.inside.any()
    np.testing.assert_allclose(frame.values[frame.inside], told[frame.inside], atol=0.05)


def test_a_frame_knows_where_the_image_ends():
    scan = image(BALL)
    inner = frame_of(scan, box_around(scan, BALL))
    assert not any(side for sides in inner.cut for side in sides)
    whole = frame_of(scan, box_around(scan, np.ones_like(BALL)))
    assert all(side for sides in whole.cut for side in sides)
    assert whole.known.all()
    half = np.zeros_like(BALL)
    half[:20, 5:20, 5:20] = True
    i, j, k = frame_of(scan, box_around(scan, half)).cut
    assert (i, j, k) == ((False, False), (False, False), (True, False))


def test_a_box_in_a_slice_makes_a_flat_frame():
    scan = image(BALL)
    frame = frame_of(scan, Box(scan.ijk_to_ras(middle(BALL)[::-1]), [20, 20, 0]))
    assert frame.long == (0, 1)
    assert frame.shape[2] == 1


def test_fields_come_back_to_the_image():
    scan = image(BALL)
    box = box_around(scan, BALL)
    frame = frame_of(scan, box)
    points = scan.ijk_to_ras(np.argwhere(np.ones(scan.shape, bool))[:, ::-1])
    found = frame.at(frame.across[1], points, np.inf)
    told = (points - box.center)[:, 1] / (box.size[1] / 2)
    near = np.isfinite(found)
    assert near.sum() > np.prod(box.size)
    np.testing.assert_allclose(found[near], told[near], atol=0.06)


def test_the_object_is_among_the_candidates():
    """A thin shell of a ball, which is neither the middle of its box nor most of it."""
    shell = BALL & ~ball(radius=6.0)
    scan = image(shell)
    frame = frame_of(scan, box_around(scan, shell))
    truth = Frame.of(frame.region, scan, prepare(shell.astype(np.float32), (1.0, 1.0, 1.0)))
    masks, rows = parts.candidates(parts.Look.of(frame))
    assert rows.shape == (len(masks), len(parts.NAMES))
    assert not (masks & ~frame.inside).any()
    assert max(dice(mask, truth.values > 0.5) for mask in masks) > 0.9


def test_all_that_is_told_is_a_number():
    for scan, box in (
        (image(BALL), box_around(image(BALL), BALL)),
        (image(BALL[19:20]), box_around(image(BALL[19:20]), BALL[19:20])),
        (image(BALL), box_around(image(BALL), np.ones_like(BALL))),
    ):
        look = parts.Look.of(frame_of(scan, box))
        masks, rows = parts.candidates(look)
        table = enclosed.samples(look)
        assert np.isfinite(rows).all()
        assert np.isfinite(table).all()
        assert table.shape == (look.frame.inside.sum(), len(enclosed.SAMPLES))
        assert masks.any((1, 2, 3)).all()


@pytest.mark.parametrize("loose", [0.0, 0.1, 0.2])
def test_where_the_image_says_nothing_the_box_does(loose):
    """Noise alone: the answer is about the ellipsoid in the box, and not nothing."""
    noise = np.random.default_rng(2).standard_normal(BALL.shape)
    scan = Image(noise.astype(np.float32), affine())
    box = box_around(scan, BALL, loose)
    session = Session(scan, find())
    session.add(box)
    assert dice(session.mask, inscribed(scan, box)) > 0.7


def test_an_object_in_one_slice_of_a_picture():
    disk = ball((1, 120, 140), radius=30)
    scan = image(disk, noise=30)
    session = Session(scan, find())
    session.add(box_around(scan, disk, 0.1))
    assert dice(session.mask, disk) > 0.9


def test_an_object_that_the_edges_of_a_picture_cut_off():
    """Nothing lies around it but on one side."""
    bar = np.zeros((1, 90, 100), bool)
    bar[:, :60] = True
    scan = image(bar, noise=20)
    session = Session(scan, find())
    session.add(box_around(scan, bar))
    assert dice(session.mask, bar) > 0.9


def test_each_of_two_boxes_gives_its_part():
    other = ball(radius=6, centre=(19, 21, 39))
    first = ball(radius=6, centre=(19, 21, 10))
    scan = image(first | other)
    session = Session(scan, find())
    session.add(box_around(scan, first), box_around(scan, other))
    assert dice(session.mask, first | other) > 0.9


def test_a_box_around_what_was_clicked_takes_back_what_leaked():
    joined = BALL.copy()
    joined[17:22, 19:24, 30:] = True
    scan = image(joined)
    session = Session(scan, find())
    session.add(at(scan, middle(BALL)))
    box = box_around(scan, BALL)
    session.add(box)
    assert dice(session.mask, BALL) > 0.9
    places = scan.ijk_to_ras(np.argwhere(session.mask)[:, ::-1]) - box.center
    assert (np.abs(places) <= box.size / 2 + 1e-6).all()


def test_a_box_beside_what_was_clicked_leaves_it():
    other = ball(radius=6, centre=(19, 21, 41))
    scan = image(ball(radius=6, centre=(19, 21, 12)) | other)
    session = Session(scan, find())
    session.add(at(scan, (19, 21, 12)))
    before = session.mask.copy()
    session.add(box_around(scan, other))
    assert (session.mask[:, :, :30] == before[:, :, :30]).all()
    assert dice(session.mask[:, :, 30:], other[:, :, 30:]) > 0.85


def test_clicks_correct_a_box():
    scan = image(BALL)
    session = Session(scan, find())
    session.add(box_around(scan, BALL))
    outside = (19, 21, 12)
    session.add(at(scan, (19, 21, 26), include=False))
    assert not session.mask[19, 21, 26]
    assert not session.mask[outside]
    session.add(at(scan, (19, 21, 26)))
    assert session.mask[19, 21, 26]


def test_what_clicks_said_counts_in_a_box():
    """Two objects of the same look in one box: the click tells which."""
    left, right = (ball((30, 30, 48), radius=7, centre=(15, 15, i)) for i in (12, 33))
    scan = image(left | right)
    both = box_around(scan, left | right)
    session = Session(scan, find())
    session.add(at(scan, (15, 15, 12)), at(scan, (15, 15, 33), include=False), both)
    assert session.mask[15, 15, 12]
    assert not session.mask[15, 15, 33]


def test_a_loop_holds_what_it_gives():
    disk = ball((1, 100, 100), radius=20)
    scan = image(disk, noise=20)
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([49 + 24 * np.cos(turn), 49 + 24 * np.sin(turn), 0 * turn], axis=1)
    session = Session(scan, find())
    session.add(Lasso(scan.ijk_to_ras(ring)))
    assert dice(session.mask, disk) > 0.9
    assert not (session.mask & ~ball((1, 100, 100), radius=25)).any()
