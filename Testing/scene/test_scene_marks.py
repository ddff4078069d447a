"""What is drawn of prompts and previews: told apart by shape, in its place, in any view."""

import itertools

import numpy as np
import pytest
from desk_kit import AXES, slice_view
from medseg import Box, Lasso, Point, Scribble, Text
from medseg_scene.drawings import COLOURS, dashes, outline
from medseg_scene.gestures import BoxGesture
from medseg_scene.marks import Mark, Outline, marks
from medseg_scene.solids import cut
from scene_kit import box_mask, draw_by_hand, turned

CENTRE = (9.0, 8.0, 6.0)
MIDDLE = (200, 150)
CORNER = box_mask((12, 16, 20), (0, 2), (0, 2), (15, 19))
LOOP = [[8, 7, 6], [10, 7, 6], [10, 9, 6], [8, 9, 6]]


def each_kind(include=True):
    return [
        Point(CENTRE, include),
        Box(CENTRE, [4, 4, 0], include=include),
        Box(CENTRE, [4, 4, 4], include=include),
        Scribble([[8, 8, 6], [10, 9, 6]], include),
        Lasso(LOOP, include),
    ]


def shape(drawing):
    """What is drawn, but for its colour and place."""
    return [np.round(line, 6).tolist() for line in drawing.lines]


@pytest.mark.parametrize("number", range(5))
def test_including_and_excluding_differ_in_shape_not_only_in_colour(number):
    view = slice_view()
    for state in ({}, {"waiting": True}, {"baked": True}):
        yes, no = (Mark(each_kind(on)[number], **state).in_view(view) for on in (True, False))
        assert shape(yes) != shape(no)
        assert (yes.style, no.style) == ("include", "exclude")
        assert yes.colour != no.colour


@pytest.mark.parametrize("number", range(5))
def test_waiting_is_dashed_and_baked_looks_different(number):
    view, prompt = slice_view(), each_kind()[number]
    plain, waiting, baked = (
        Mark(prompt, **state).in_view(view) for state in ({}, {"waiting": True}, {"baked": True})
    )
    assert waiting.dashed
    assert not plain.dashed
    assert len(waiting.lines) > len(plain.lines)
    assert shape(baked) != shape(plain)
    assert baked.width < plain.width


def test_the_colours_are_those_that_colour_blind_people_tell_apart():
    assert COLOURS["include"] == (0.0, 0.447, 0.698)
    assert COLOURS["exclude"] == (0.835, 0.369, 0.0)


@pytest.mark.parametrize("name", AXES)
def test_a_point_is_drawn_where_it_is(name):
    view = slice_view(name)
    drawing = Mark(Point(view.ras((120, 90)))).in_view(view)
    points = np.concatenate(drawing.lines)
    assert points.mean(0) == pytest.approx([120, 90], abs=0.5)
    assert np.abs(points - [120, 90]).max() <= 8.1


@pytest.mark.parametrize("number", [0, 1, 3, 4])
def test_fainter_away_from_the_plane_until_nothing_is_left(number):
    mark = Mark(each_kind()[number])
    views = [slice_view(centre=(9, 8, 6 + off)) for off in (0, 0.4, 2, 8, 100)]
    drawings = [mark.in_view(view) for view in views]
    opacity = [d.opacity for d in drawings[:4]]
    assert opacity[0] == opacity[1] == 1
    assert 1 > opacity[2] > opacity[3] > 0
    assert drawings[4].empty


def test_a_deep_box_is_drawn_where_the_plane_cuts_it():
    mark = Mark(Box(CENTRE, [6, 4, 8]))
    for off, there in ((0, True), (3.9, True), (4.1, False)):
        drawing = mark.in_view(slice_view(centre=(9, 8, 6 + off)))
        assert drawing.empty != there
    rectangle = mark.in_view(slice_view()).lines[0]
    assert np.ptp(rectangle, axis=0) == pytest.approx([60, 40])
    assert (rectangle[0] == rectangle[-1]).all()
    sagittal = mark.in_view(slice_view("sagittal")).lines[0]
    assert np.ptp(sagittal, axis=0) == pytest.approx([40, 80])


def test_a_turned_box_is_cut_in_up_to_six_corners_all_on_its_surface():
    box, corners = Box(CENTRE, [6, 5, 4], turned(spacing=(1, 1, 1))[:3, :3]), set()
    for name, off in itertools.product(AXES, (-1.5, 0, 1.0)):
        view = slice_view(name)
        view = slice_view(name, centre=np.array(CENTRE) + off * view.normal)
        polygon = cut(box, view)
        if polygon is None:
            continue
        corners.add(len(polygon))
        for xy in polygon:
            inside = np.abs(box.axes.T @ (view.ras(xy) - box.center)) - box.size / 2
            assert np.sort(inside)[-2:] == pytest.approx(0, abs=1e-6)
    assert max(corners) <= 6
    assert len(corners) > 1


def test_a_flat_box_is_a_line_in_another_view():
    drawing = Mark(Box(CENTRE, [6, 4, 0])).in_view(slice_view("coronal"))
    assert np.ptp(drawing.lines[0], axis=0) == pytest.approx([60, 0], abs=1e-6)


def test_a_stroke_shows_how_wide_it_is():
    thin, wide = (
        Mark(Scribble([[8, 8, 6], [10, 9, 6]], radius=r)).in_view(slice_view()) for r in (0, 1.5)
    )
    first, last = wide.lines[-2:]
    assert len(wide.lines) == len(thin.lines) + 2
    assert np.ptp(first, axis=0) == pytest.approx([30, 30])
    assert last.mean(0) == pytest.approx(thin.lines[0][-1], abs=1)


def test_a_text_has_no_mark():
    assert Mark(Text("liver")).in_view(slice_view()).empty
    assert len(Mark(Text("liver")).points) == 0


def test_dashes_lie_on_the_line_and_cover_part_of_it():
    line = np.array([[0, 0], [30, 0], [30, 40]], float)
    pieces = dashes([line])
    length = sum(np.linalg.norm(np.diff(p, axis=0), axis=1).sum() for p in pieces)
    assert 0.5 * 70 < length < 0.7 * 70
    for x, y in np.concatenate(pieces):
        assert y == 0 or x == 30


def test_an_outline_is_the_edges_between_in_and_out():
    rng = np.random.default_rng(3)
    mask = rng.random((9, 11)) < 0.5
    edges = set()
    for (x, y), (a, b) in outline(mask):
        for step in range(int(max(a - x, b - y))):
            along = (1, 0) if a > x else (0, 1)
            edges.add((x + step * along[0], y + step * along[1], along))
    padded = np.pad(mask, 1)
    expected = {
        (c, r, (1, 0))
        for r in range(10)
        for c in range(11)
        if padded[r, c + 1] != padded[r + 1, c + 1]
    } | {
        (c, r, (0, 1))
        for r in range(9)
        for c in range(12)
        if padded[r + 1, c] != padded[r + 1, c + 1]
    }
    assert edges == expected


# Previews


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("affine", [np.eye(4), turned(hand=-1)])
def test_a_preview_is_outlined_where_its_voxels_are(name, affine):
    rng = np.random.default_rng(1)
    voxels = rng.random((5, 6, 7)) < 0.5
    centre = (affine @ [3.1, 2.4, 2.2, 1])[:3]
    view = slice_view(name, centre=centre, pixel=0.05, size=(500, 480))
    drawing = Outline(voxels, ~voxels, affine, "added").in_view(view)
    assert not drawing.empty
    assert not drawing.dashed
    to_ijk = np.linalg.inv(affine)

    def inside(xy):
        i, j, k = np.rint((to_ijk @ [*view.ras(xy), 1])[:3]).astype(int)
        there = 0 <= i < 7 and 0 <= j < 6 and 0 <= k < 5
        return bool(there and voxels[k, j, i])

    def at_the_border(x, y):
        near = np.arange(-1.5, 1.6, 0.5)
        return len({inside((x + a, y + b)) for a in near for b in near}) == 2

    for line in drawing.lines:
        assert at_the_border(*line.mean(0))


def test_what_comes_is_solid_and_what_goes_is_dashed(bench):
    bench.click(6, 8, 9)
    desk, view = bench.desk, slice_view()
    desk.preview = True
    bench.desk.move(0, bench.point(6, 8, 11))
    bench.settle()
    added, removed = (m for m in marks(desk) if isinstance(m, Outline))
    assert (added.style, removed.style) == ("added", "removed")
    assert removed.in_view(view).dashed
    assert not added.in_view(view).dashed
    left, right = (np.concatenate(m.in_view(view).lines)[:, 0].mean() for m in (added, removed))
    assert left < right  # R is on the left
    assert added.in_view(slice_view(centre=(9, 8, 11))).empty
    desk.reject()
    assert not any(isinstance(m, Outline) for m in marks(desk))


def test_a_preview_beside_the_view_draws_nothing():
    outline_ = Outline(np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool), np.eye(4), "added")
    assert outline_.in_view(slice_view(centre=(100, 0, 1))).empty
    assert outline_.in_view(slice_view(centre=(1, 1, 9))).empty
    assert len(outline_.points) == 0


def test_a_large_preview_is_looked_up_at_no_more_places_than_a_view_needs():
    mask = np.zeros((200, 300, 300), bool)
    mask[20:180, 20:280, 20:280] = True
    view = slice_view("oblique", centre=(150, 150, 100), pixel=0.2, size=(1500, 1200))
    cells, _, step = Outline(mask, ~mask, np.eye(4), "added")._sampled(view)
    assert max(cells.shape) <= 401
    assert step > 3


# Of a desk


def test_prompts_what_is_drawn_and_what_is_hidden(bench):
    bench.click(6, 8, 5)
    draw_by_hand(bench.editor, bench.segmentation, bench.selected, CORNER)
    bench.click(6, 8, 15, include=False)
    bench.desk.add(bench.point(6, 3, 9))
    listed = marks(bench.desk)
    assert [(m.index, m.baked, m.waiting) for m in listed] == [
        (0, True, False),
        (1, False, False),
        (2, False, True),
    ]
    assert [m.style for m in listed] == ["include", "exclude", "include"]
    assert listed[0].points == pytest.approx(np.array([[5, 8, 6]]))
    bench.desk.hide(1)
    gesture = BoxGesture(bench.desk)
    gesture.press(slice_view(), (300, 250))
    gesture.move(slice_view(), (340, 280))
    assert [m.index for m in marks(bench.desk)] == [0, 2, None]
    gesture.cancel()
    assert [m.index for m in marks(bench.desk)] == [0, 2]


def test_boxes_that_can_be_grabbed_show_their_middle(bench):
    bench.desk.add(Box(CENTRE, [4, 4, 4]))
    view = slice_view()
    plain, handled = (marks(bench.desk, handles=on)[0].in_view(view) for on in (False, True))
    assert len(handled.lines) > len(plain.lines)
    assert any(np.allclose(line.mean(0), MIDDLE, atol=3) for line in handled.lines)
    assert slice_view().axes.shape == (3, 3)


def test_the_marks_of_a_scene_without_anything(bench, scene):
    scene.Clear(0)
    assert marks(bench.desk) == []
    bench.desk.close()
    assert marks(bench.desk) == []
