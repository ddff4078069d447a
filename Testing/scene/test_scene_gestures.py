"""Presses, moves and releases in real slice views, and the prompts that come of them."""

import numpy as np
import pytest
from desk_kit import AXES, slice_view, view_of
from live_kit import painted
from medseg import Box, Lasso, Scribble
from medseg_scene import image_from_volume
from medseg_scene.gestures import BoxGesture, LassoGesture, PointGesture, ScribbleGesture
from scene_kit import add_transform, add_volume, box_mask, draw_by_hand, turned

CORNER = box_mask((12, 16, 20), (0, 2), (0, 2), (15, 19))
MIDDLE = (200, 150)


def drag(gesture, view, *way, exclude=False):
    assert gesture.press(view, way[0], exclude)
    for xy in way[1:]:
        assert gesture.move(view, xy)
    assert gesture.release(view, way[-1])


def right(image, prompts, mask):
    return (mask == painted(image, prompts)).all()


# Views


@pytest.mark.parametrize("orientation", ["Axial", "Sagittal", "Coronal"])
def test_a_real_slice_node_is_seen_as_it_is(scene, orientation):
    view = view_of(orientation)
    assert view.size == (400, 300)
    assert view.pixel_mm == pytest.approx(0.1)
    assert view.ras(MIDDLE) == pytest.approx([9, 8, 6], abs=0.06)
    other = slice_view(orientation.lower())
    assert view.axes[:, :2] == pytest.approx(other.axes[:, :2])
    assert abs(view.normal @ other.normal) == pytest.approx(1)


@pytest.mark.parametrize("name", AXES)
def test_there_and_back(name):
    view = slice_view(name)
    for xy in ((0, 0), (399, 299), (12.5, 80)):
        assert view.xy(view.ras(xy)) == pytest.approx((*xy, 0), abs=1e-9)
    x, y, off = view.xy(view.ras((20, 30)) + 2.5 * view.normal)
    assert (x, y, off) == pytest.approx((20, 30, 2.5))


# Points


@pytest.mark.parametrize("name", AXES)
def test_a_click_is_a_point_at_once(bench, name):
    gesture, view = PointGesture(bench.desk), slice_view(name)
    assert gesture.press(view, MIDDLE)
    assert bench.desk.entries[0].waiting
    assert gesture.release(view, MIDDLE)
    bench.settle()
    assert bench.prompts[0].position == pytest.approx([9, 8, 6])
    assert bench.mask()[6, 8, 9]


def test_a_click_in_an_oblique_volume_under_a_transform(bench, scene):
    volume = add_volume(affine=turned())
    matrix = turned(degrees=(0, 90, 10), spacing=(1, 1, 1), origin=(30, 0, -10))
    volume.SetAndObserveTransformNodeID(add_transform(matrix).GetID())
    bench.editor.node.SetAndObserveSourceVolumeNode(volume)
    bench.volume = volume
    image = image_from_volume(volume)
    view = slice_view("oblique", centre=image.ijk_to_ras([5, 7, 4]))
    PointGesture(bench.desk).press(view, MIDDLE)
    bench.settle()
    assert bench.mask()[4, 7, 5]


@pytest.mark.parametrize("switch", [False, True])
@pytest.mark.parametrize("key", [False, True])
def test_a_modifier_turns_over_what_the_switch_says(bench, switch, key):
    bench.desk.exclude = switch
    PointGesture(bench.desk).press(slice_view(), MIDDLE, exclude=key)
    assert bench.prompts[0].include == (switch == key)


def test_a_dragged_point_is_one_undo_step_and_the_result_follows(bench):
    gesture, view = PointGesture(bench.desk), slice_view()
    drag(gesture, view, MIDDLE)
    bench.settle()
    masks = [bench.mask()]
    assert gesture.press(view, (204, 147))
    for x in range(200, 230, 5):
        assert gesture.move(view, (x, 147))
        assert bench.prompts[0].position == pytest.approx(view.ras((x - 4, 150)), abs=0.31)
    bench.settle()
    masks.append(bench.mask())
    assert gesture.active
    gesture.move(view, (250, 147))
    bench.settle()
    assert gesture.release(view, (254, 150))
    assert not gesture.active
    bench.settle()
    assert bench.prompts[0].position == pytest.approx(view.ras((250, 153)))
    assert not (masks[0] == masks[1]).all()
    assert right(image_from_volume(bench.volume), bench.prompts, bench.mask())
    bench.desk.undo()
    assert (bench.mask() == masks[0]).all()
    assert bench.prompts[0].position == pytest.approx([9, 8, 6])
    bench.desk.undo()
    assert bench.prompts == []


def test_a_press_on_a_point_that_does_not_move_it_asks_for_nothing(bench):
    gesture, view = PointGesture(bench.desk), slice_view()
    drag(gesture, view, MIDDLE)
    bench.settle()
    drag(gesture, view, (203, 150), (204, 151))
    assert not bench.desk.busy
    assert len(bench.prompts) == 1


def test_a_point_of_another_slice_is_not_taken(bench):
    gesture = PointGesture(bench.desk)
    gesture.press(slice_view(), MIDDLE)
    bench.settle()
    view = slice_view(centre=(9, 8, 8))
    assert gesture.cursor(view, MIDDLE) == "cross"
    assert not gesture.delete_at(view, MIDDLE)
    gesture.press(view, MIDDLE)
    bench.settle()
    assert len(bench.prompts) == 2


def test_a_drag_out_of_the_image_and_back(bench):
    gesture, view = PointGesture(bench.desk), slice_view()
    drag(gesture, view, MIDDLE)
    bench.settle()
    gesture.press(view, MIDDLE)
    gesture.move(view, (-300, 150))
    bench.settle()
    assert "outside the image" in bench.desk.line
    gesture.move(view, (220, 150))
    gesture.release(view, (220, 150))
    bench.settle()
    assert bench.prompts[0].position == pytest.approx(view.ras((220, 150)))
    assert right(image_from_volume(bench.volume), bench.prompts, bench.mask())


def test_a_drag_ends_when_its_prompt_is_gone(bench):
    gesture, view = PointGesture(bench.desk), slice_view()
    drag(gesture, view, MIDDLE)
    bench.settle()
    gesture.press(view, MIDDLE)
    bench.desk.undo()
    assert gesture.move(view, (220, 150))
    assert gesture.release(view, (230, 150))
    bench.settle()
    assert bench.prompts == []
    assert bench.desk.line == ""


def test_a_click_outside_the_image_is_a_line(bench):
    PointGesture(bench.desk).press(slice_view(), (-300, 150))
    bench.settle()
    assert "outside the image" in bench.desk.line
    assert bench.prompts == []


def test_a_baked_point_is_not_taken(bench):
    gesture, view = PointGesture(bench.desk), slice_view()
    gesture.press(view, MIDDLE)
    bench.settle()
    draw_by_hand(bench.editor, bench.segmentation, bench.selected, CORNER)
    gesture.press(view, (120, 150))
    bench.settle()
    assert [e.baked for e in bench.desk.entries] == [True, False]
    assert gesture.cursor(view, MIDDLE) == "cross"
    assert gesture.cursor(view, (120, 150)) == "grab"


def test_a_hidden_point_is_not_taken(bench):
    gesture, view = PointGesture(bench.desk), slice_view()
    gesture.press(view, MIDDLE)
    bench.desk.hide(0)
    assert gesture.cursor(view, MIDDLE) == "cross"


def test_deleting_the_newest_under_the_cursor(bench):
    gesture, view = PointGesture(bench.desk), slice_view()
    for xy in (MIDDLE, (230, 150), (230, 162)):
        gesture.press(view, xy)
    bench.settle()
    assert gesture.delete_at(view, (230, 157))
    bench.settle()
    assert [p.position[1] for p in bench.prompts] == pytest.approx([8, 8])
    assert not gesture.delete_at(view, (300, 50))
    assert right(image_from_volume(bench.volume), bench.prompts, bench.mask())


def test_a_pick_on_a_surface(bench):
    assert PointGesture(bench.desk).pick([9, 8, 6], exclude=True)
    assert not bench.prompts[0].include
    assert not BoxGesture(bench.desk).pick([9, 8, 6])


def test_what_cannot_be_done_now_is_a_line_and_a_cursor(bench):
    bench.editor.node.SetAndObserveSourceVolumeNode(None)
    for kind in (PointGesture, BoxGesture, ScribbleGesture, LassoGesture):
        gesture = kind(bench.desk)
        assert gesture.cursor(slice_view(), MIDDLE) == "no"
        assert gesture.press(slice_view(), MIDDLE)
        assert bench.desk.line == "Choose a source volume first."
        assert gesture.move(slice_view(), (250, 190))
        assert gesture.release(slice_view(), (250, 190))
        assert gesture.marks == bench.prompts == []
        bench.desk.line = ""
    assert PointGesture(bench.desk).pick([0, 0, 0])
    assert bench.desk.line


# Boxes


@pytest.mark.parametrize("name", AXES)
@pytest.mark.parametrize("end", [(230, 180), (170, 180), (230, 120)])
def test_a_drag_draws_a_flat_box_in_the_slice(bench, name, end):
    gesture, view = BoxGesture(bench.desk), slice_view(name)
    gesture.press(view, MIDDLE)
    gesture.move(view, end)
    (drawn,) = gesture.marks
    assert not bench.prompts
    gesture.release(view, end)
    assert gesture.marks == []
    bench.settle()
    (box,) = bench.prompts
    assert box.center == pytest.approx(drawn.prompt.center)
    corners = [view.xy(p) for p in box.positions()]
    assert {tuple(np.round(c[:2])) for c in corners} == {
        (x, y) for x in (200, end[0]) for y in (150, end[1])
    }
    assert max(abs(c[2]) for c in corners) == pytest.approx(0, abs=1e-9)
    assert right(image_from_volume(bench.volume), bench.prompts, bench.mask())


def test_a_click_is_no_box(bench):
    drag(BoxGesture(bench.desk), slice_view(), MIDDLE, (201, 151))
    assert "Drag" in bench.desk.line
    assert bench.prompts == []


def test_a_box_drawn_with_depth(bench):
    gesture = BoxGesture(bench.desk)
    gesture.depth = 4
    drag(gesture, slice_view(), (180, 130), (220, 170))
    assert bench.prompts[0].size == pytest.approx([4, 4, 4])
    assert BoxGesture(bench.desk).depth == 4


def add_box(bench, size, axes=None):
    bench.desk.add(Box([9, 8, 6], size, axes))
    bench.settle()


@pytest.mark.parametrize(
    ("start", "way", "center", "size"),
    [
        ((230, 150), (20, 5), [8, 8, 6], [8, 4, 6]),  # right edge outwards (right is -R)
        ((170, 150), (10, 0), [8.5, 8, 6], [5, 4, 6]),  # left edge inwards
        ((200, 170), (0, 10), [9, 8.5, 6], [6, 5, 6]),  # top edge
        ((230, 130), (10, -10), [8.5, 7.5, 6], [7, 5, 6]),  # a corner
        ((200, 150), (30, 10), [6, 9, 6], [6, 4, 6]),  # the middle
    ],
)
def test_a_deep_box_is_changed_in_a_view(bench, start, way, center, size):
    add_box(bench, [6, 4, 6])
    gesture, view = BoxGesture(bench.desk), slice_view()
    assert gesture.cursor(view, start) == ("grab" if start == MIDDLE else "size")
    drag(gesture, view, start, np.add(start, way))
    bench.settle()
    (box,) = bench.prompts
    assert box.center == pytest.approx(center)
    assert box.size == pytest.approx(size)
    assert right(image_from_volume(bench.volume), bench.prompts, bench.mask())
    bench.desk.undo()
    assert bench.prompts[0].size == pytest.approx([6, 4, 6])


def test_dragging_a_box_is_live_and_one_undo_step(bench):
    add_box(bench, [6, 4, 0])
    gesture, view = BoxGesture(bench.desk), slice_view()
    gesture.press(view, (230, 150))
    for x in (235, 240, 250):
        gesture.move(view, (x, 150))
        bench.settle()
        assert bench.prompts[0].size[0] == pytest.approx((x - 170) / 10)
    gesture.release(view, (250, 150))
    bench.desk.undo()
    assert bench.prompts[0].size == pytest.approx([6, 4, 0])


def test_a_flat_box_gets_depth_in_another_view(bench):
    add_box(bench, [6, 4, 0])
    gesture, view = BoxGesture(bench.desk), slice_view("coronal")
    assert gesture.cursor(view, (210, 150)) == "size"
    drag(gesture, view, (210, 150), (210, 170))
    bench.settle()
    assert bench.prompts[0].size == pytest.approx([6, 4, 2])
    assert bench.prompts[0].center == pytest.approx([9, 8, 7])
    drag(gesture, view, (210, 150), (210, 140))
    bench.settle()
    assert bench.prompts[0].size == pytest.approx([6, 4, 3])


def test_depth_is_given_and_taken(bench):
    add_box(bench, [6, 0, 4])
    gesture = BoxGesture(bench.desk)
    gesture.give_depth(0, 5)
    bench.settle()
    assert bench.prompts[0].size == pytest.approx([6, 5, 4])
    gesture.give_depth(3, 5)
    bench.desk.add(bench.point(6, 8, 9))
    gesture.give_depth(1, 5)
    bench.settle()
    assert bench.desk.line == ""


def test_an_edge_does_not_cross_its_opposite(bench):
    add_box(bench, [6, 4, 6])
    drag(BoxGesture(bench.desk), slice_view(), (230, 150), (20, 150))
    bench.settle()
    assert 0 < bench.prompts[0].size[0] <= 0.1 + 1e-9


@pytest.mark.parametrize("name", AXES)
def test_a_turned_box_follows_the_cursor_in_every_view(bench, name):
    axes = turned(spacing=(1, 1, 1))[:3, :3]
    add_box(bench, [6, 5, 4], axes)
    gesture, view = BoxGesture(bench.desk), slice_view(name)
    here = next(xy for xy in ring(view) if gesture.cursor(view, xy) == "size")
    before = bench.prompts[0]
    outwards = np.subtract(here, MIDDLE) / np.linalg.norm(np.subtract(here, MIDDLE))
    there = here + outwards * 10
    drag(gesture, view, here, there)
    bench.settle()
    after = bench.prompts[0]
    assert after.axes == pytest.approx(axes)
    assert (after.size >= before.size - 1e-9).all()
    assert after.size.sum() > before.size.sum()
    assert gesture.cursor(view, there) == "size"


def ring(view):
    for radius in range(5, 100):
        for angle in np.linspace(0, 6.2, 40):
            yield tuple(np.add(MIDDLE, [radius * np.cos(angle), radius * np.sin(angle)]))


def test_a_box_that_the_plane_does_not_cut_is_not_taken(bench):
    add_box(bench, [6, 4, 2])
    gesture = BoxGesture(bench.desk)
    assert gesture.cursor(slice_view(centre=(9, 8, 8)), (230, 150)) == "cross"
    assert gesture.delete_at(slice_view(), (230, 150))


# Scribbles and lassos


def test_a_stroke_with_a_radius(bench):
    gesture, view = ScribbleGesture(bench.desk), slice_view("sagittal")
    gesture.radius = 1.5
    drag(gesture, view, (180, 150), (200, 160), (200, 160), (220, 150), exclude=True)
    (stroke,) = bench.prompts
    assert isinstance(stroke, Scribble)
    assert not stroke.include
    assert stroke.radius == 1.5
    assert stroke.points == pytest.approx(
        np.array([view.ras(xy) for xy in ((180, 150), (200, 160), (220, 150))])
    )
    bench.settle()
    assert right(image_from_volume(bench.volume), bench.prompts, bench.mask())
    assert gesture.delete_at(view, (190, 158))
    bench.settle()
    assert bench.prompts == []


def test_a_click_is_a_short_stroke(bench):
    drag(ScribbleGesture(bench.desk), slice_view(), MIDDLE)
    assert len(bench.prompts[0].points) == 1


def test_a_loop(bench):
    gesture, view = LassoGesture(bench.desk), slice_view("oblique")
    drag(gesture, view, (180, 130), (220, 130), (220, 170), (180, 170))
    (loop,) = bench.prompts
    assert isinstance(loop, Lasso)
    assert loop.points == pytest.approx(
        np.array([view.ras(xy) for xy in ((180, 130), (220, 130), (220, 170), (180, 170))])
    )
    bench.settle()
    assert right(image_from_volume(bench.volume), bench.prompts, bench.mask())
    assert gesture.delete_at(view, (181, 150))  # on the side that closed by itself


def test_too_small_a_loop_is_a_line(bench):
    drag(LassoGesture(bench.desk), slice_view(), MIDDLE, (201, 151), (202, 150))
    assert "loop" in bench.desk.line
    assert bench.prompts == []


def test_the_slice_may_change_while_a_loop_is_drawn(bench):
    gesture, view = LassoGesture(bench.desk), slice_view()
    gesture.press(view, (180, 130))
    gesture.move(view, (220, 130))
    gesture.move(slice_view(centre=(9, 8, 9)), (220, 170))
    gesture.release(slice_view(centre=(9, 8, 9)), (180, 170))
    assert np.ptp(bench.prompts[0].points[:, 2]) == pytest.approx(0)


def test_escape_forgets_what_is_drawn(bench):
    for kind in (BoxGesture, ScribbleGesture, LassoGesture):
        gesture = kind(bench.desk)
        gesture.press(slice_view(), MIDDLE)
        gesture.move(slice_view(), (240, 180))
        gesture.move(slice_view(), (240, 120))
        assert gesture.marks
        assert gesture.active
        gesture.cancel()
        assert gesture.marks == []
        assert not gesture.move(slice_view(), (250, 190))
        assert not gesture.release(slice_view(), (250, 190))
    assert bench.prompts == []


def test_a_move_without_a_press_is_not_ours(bench):
    for kind in (PointGesture, BoxGesture, ScribbleGesture, LassoGesture):
        assert not kind(bench.desk).move(slice_view(), MIDDLE)
        assert not kind(bench.desk).release(slice_view(), MIDDLE)


def test_prompts_of_a_saved_scene_are_dragged_without_a_session(bench, shared_owner):
    from desk_kit import Bench

    drag(PointGesture(bench.desk), slice_view(), MIDDLE)
    bench.settle()
    bench.desk.close()
    other = Bench(shared_owner, bench.volume, bench.segmentation)
    other.select(bench.selected)
    drag(PointGesture(other.desk), slice_view(), MIDDLE, (230, 150))
    other.settle()
    assert other.prompts[0].position == pytest.approx([6, 8, 6])
    assert right(image_from_volume(bench.volume), other.prompts, other.mask())
    other.close()
