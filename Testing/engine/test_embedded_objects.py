"""The embedded model finds simple objects, whatever the contrast, unit, grid and prompt."""

import numpy as np
import pytest
from medseg import Box, Image, Lasso, Scribble, Session, find
from phantoms import affine, at, ball, dice, image, middle, turned


def clicked(scan, *places):
    session = Session(scan, find())
    for place in places:
        session.add(at(scan, place))
    return session.mask.copy()


BALL = ball()
#: Seen on 2026-11-21: without noise the mask lacks the outermost layer of voxels.
thin_skinned = pytest.mark.xfail(reason="without any noise the border lies a voxel inside")


@pytest.mark.parametrize(
    ("low", "high", "noise"),
    [
        (100, 200, 6),
        (200, 100, 6),
        (100, 200, 20),
        pytest.param(0, 1, 0, marks=thin_skinned),
        (-1000, 40, 15),
    ],
    ids=["bright", "dark", "noisy", "binary", "as-in-ct"],
)
def test_a_click_finds_a_ball(low, high, noise):
    scan = image(BALL, low=low, high=high, noise=noise)
    assert dice(clicked(scan, middle(BALL)), BALL) > 0.9


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_any_kind_of_number_will_do(dtype):
    scan = image(BALL, noise=20)
    scan = scan.with_array(scan.array.astype(dtype))
    assert dice(clicked(scan, middle(BALL)), BALL) > 0.9


@pytest.mark.parametrize(("factor", "offset"), [(1e-3, 0), (1e4, 0), (1, -1e3), (1e4, 5e5)])
def test_unit_and_offset_of_the_intensities_do_not_matter(factor, offset):
    scan = image(BALL)
    other = scan.with_array(scan.array.astype(float) * factor + offset)
    masks = [clicked(one, middle(BALL)) for one in (scan, other)]
    assert np.count_nonzero(masks[0] ^ masks[1]) <= 5


def test_a_bias_field_does_not_matter():
    scan = image(BALL)
    fading = np.linspace(0.8, 1.2, scan.shape[2], dtype=np.float32)
    assert dice(clicked(scan.with_array(scan.array * fading), middle(BALL)), BALL) > 0.85


@pytest.mark.parametrize(
    ("shape", "spacing", "rotation"),
    [
        ((14, 60, 60), (1.0, 1.0, 6.0), None),
        ((40, 44, 48), (1.0, 1.0, 1.0), turned()),
        ((40, 44, 48), (1.0, 1.0, 1.0), np.diag([-1.0, 1.0, 1.0])),
        ((40, 44, 48), (0.05, 0.05, 0.05), None),
    ],
    ids=["thick-slices", "oblique", "left-handed", "microscopy"],
)
def test_any_grid_will_do(shape, spacing, rotation):
    truth = ball(shape, spacing, radius=min(spacing) * (18 if spacing[2] == 6 else 9))
    scan = image(truth, affine(spacing, rotation))
    assert dice(clicked(scan, middle(truth)), truth) > 0.85


def test_a_picture_of_one_slice():
    truth = ball((1, 64, 64), radius=12)
    assert dice(clicked(image(truth), middle(truth)), truth) > 0.9


def test_a_film_is_followed_in_time():
    frames = [ball((1, 48, 48), radius=9, centre=(0, 24, 20 + t // 2)) for t in range(10)]
    truth = np.concatenate(frames)
    scan = image(truth, time_axis=True)
    assert dice(clicked(scan, middle(truth)), truth) > 0.8


def test_three_clicks_find_a_tube():
    j, i = np.indices((44, 48))
    disc = (j - 22) ** 2 + (i - 24) ** 2 <= 16
    truth = np.zeros((40, 44, 48), bool)
    truth[4:36] = disc
    assert dice(clicked(image(truth), (20, 22, 24), (9, 22, 24), (31, 22, 24)), truth) > 0.85


def test_an_object_at_the_border_of_the_image():
    truth = ball(centre=(2, 20, 20))
    assert dice(clicked(image(truth), (2, 20, 20)), truth) > 0.85
    assert clicked(image(truth), (0, 20, 20))[0, 20, 20]


@pytest.mark.xfail(reason="the even ball around one voxel is taken from its surrounding")
def test_a_single_bright_voxel_is_found():
    truth = np.zeros((20, 20, 20), bool)
    truth[10, 10, 10] = True
    mask = clicked(image(truth, noise=1), (10, 10, 10))
    assert mask[10, 10, 10]
    assert mask.sum() <= 60


def test_a_tiny_image():
    values = np.zeros((3, 3, 3), np.float32)
    values[1, 1, 1] = 1
    assert clicked(Image(values), (1, 1, 1))[1, 1, 1]


@pytest.mark.parametrize(
    ("loose", "floor"),
    [
        (0.0, 0.9),
        (0.1, 0.9),
        (0.2, 0.85),
    ],
)
@pytest.mark.parametrize("rotation", [None, turned()], ids=["straight", "oblique"])
def test_a_box_is_taken_at_its_word(loose, floor, rotation):
    scan = image(BALL, affine(rotation=rotation))
    axes = np.eye(3) if rotation is None else rotation
    centre = scan.ijk_to_ras(middle(BALL)[::-1])
    box = Box(centre, np.full(3, 19 * (1 + 2 * loose)), axes)
    session = Session(scan, find())
    session.add(box)
    assert dice(session.mask, BALL) > floor


@pytest.mark.parametrize("rotation", [None, turned()], ids=["straight", "oblique"])
@pytest.mark.parametrize("size", [12.0, 19.0, 27.0])
def test_nothing_leaves_a_box(size, rotation):
    scan = image(BALL, affine(rotation=rotation))
    axes = np.eye(3) if rotation is None else rotation
    centre = scan.ijk_to_ras(middle(BALL)[::-1])
    session = Session(scan, find())
    session.add(Box(centre, np.full(3, size), axes))
    places = (scan.ijk_to_ras(np.argwhere(session.mask)[:, ::-1]) - centre) @ axes
    assert dice(session.mask, BALL & session.mask) > 0.9
    assert np.abs(places).max() <= size / 2 + 1e-6


def test_a_box_in_a_slice_limits_that_slice():
    scan = image(BALL)
    session = Session(scan, find())
    session.add(Box(scan.ijk_to_ras(middle(BALL)[::-1]), [20, 20, 0]))
    k = middle(BALL)[0]
    assert dice(session.mask[k], BALL[k]) > 0.9
    assert not session.mask[k, :11].any()


def test_a_stroke_may_slip_off_the_object():
    j, i = middle(BALL)[1:]
    on = [(19, j, x) for x in range(i - 7, i + 8)]
    off = [(19, j + 14, x) for x in range(i, i + 2)]
    scan = image(BALL)
    session = Session(scan, find())
    points = scan.ijk_to_ras(np.array(on + off)[:, ::-1])
    session.add(Scribble(points, connected=False))
    assert dice(session.mask, BALL) > 0.85


def loop(scan, centre, radius, include=True):
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    k, j, i = centre
    ijk = np.stack([i + radius * np.cos(turn), j + radius * np.sin(turn), np.full(24, k)], axis=1)
    return Lasso(scan.ijk_to_ras(ijk), include)


def test_a_lasso_around_the_object():
    scan = image(BALL)
    session = Session(scan, find())
    session.add(loop(scan, middle(BALL), 11))
    k = middle(BALL)[0]
    assert dice(session.mask[k], BALL[k]) > 0.85


def excluded(scan, kind, place):
    ras = scan.ijk_to_ras(np.array(place)[::-1])
    if kind == "box":
        return Box(ras, [6, 6, 6], include=False)
    if kind == "lasso":
        return loop(scan, place, 3, include=False)
    return Scribble(ras + np.array([[-3, 0, 0], [3, 0, 0]]), include=False)


@pytest.mark.parametrize("kind", ["box", "lasso", "scribble"])
def test_what_is_excluded_goes_and_the_rest_stays(kind):
    other = ball(radius=6, centre=(19, 21, 38))
    scan = image(BALL | other)
    session = Session(scan, find())
    session.add(at(scan, middle(BALL)), at(scan, (19, 21, 38)))
    session.add(excluded(scan, kind, (19, 21, 38)))
    assert not session.mask[19, 21, 37:40].any()
    assert dice(session.mask & ball(radius=7), ball(radius=7)) > 0.95
