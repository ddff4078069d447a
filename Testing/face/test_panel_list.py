# ruff: noqa: F811
"""The prompt list of the panel: each row shows an entry of the desk and acts on it."""

import pytest
import qt
import slicer
from medseg import Box, Lasso, Point, Scribble, Text
from medseg_face import words
from medseg_face.prompt_list import DELETE, EYE, POLARITY, WHAT
from panel_kit import bench, owner  # noqa: F401

_BUTTON = "QPushButton"


@pytest.fixture
def panel(bench):
    panel = bench.panel("point")
    panel.widget.show()
    return panel


@pytest.fixture
def table(panel):
    return panel.prompts.table


def rows(table):
    return [table.item(row, WHAT).text() for row in range(table.rowCount)]


def includes(bench):
    return [entry.prompt.include for entry in bench.desk.entries]


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (Point([12.4, -30.6, 44.0]), "Point  R 12 P 31 S 44"),
        (Point([-1.0, 2.0, -3.0]), "Point  L 1 A 2 I 3"),
        (Box([0.0, 0.0, 0.0], [20.0, 30.0, 0.0]), "Box 20 × 30 mm"),  # noqa: RUF001
        (Scribble([[1.0, 0, 0], [2.0, 0, 0], [3.0, 0, 0]]), "Scribble  R 2 A 0 S 0"),
        (Lasso([[0.0, 0, 0], [4.0, 0, 0], [2.0, 6.0, 0]]), "Lasso  R 2 A 2 S 0"),
        (Text("lung"), "Text “lung”"),
    ],
)
def test_a_prompt_in_a_few_words(prompt, text):
    assert words.prompt(prompt) == text


def test_a_row_per_prompt(bench, table):
    bench.click(6, 8, 6)
    bench.click(6, 8, 14, include=False)
    assert rows(table) == ["Point  R 6 A 8 S 6", "Point  R 14 A 8 S 6"]
    assert table.item(0, WHAT).data(qt.Qt.AccessibleTextRole).startswith("Include: Point")
    assert table.item(1, WHAT).data(qt.Qt.AccessibleTextRole).startswith("Exclude: Point")


def test_include_and_exclude_differ_without_colour(bench, table):
    bench.click(6, 8, 6)
    bench.click(6, 8, 14, include=False)
    shapes = [table.item(row, WHAT).icon().pixmap(32, 32).toImage() for row in (0, 1)]
    covered = [
        [image.pixelColor(x, y).alpha() > 128 for x in range(32) for y in range(32)]
        for image in shapes
    ]
    assert covered[0] != covered[1]


def test_a_waiting_row_is_in_italics_until_its_result_is_there(bench, table):
    bench.desk.model = "slow"
    bench.desk.add(bench.at(6, 8, 6))
    bench.spin(lambda: table.rowCount)
    assert table.item(0, WHAT).font().italic()
    bench.settle()
    assert not table.item(0, WHAT).font().italic()


def test_baked_rows_say_why_and_stay(bench, table):
    bench.click(6, 8, 6)
    bench.paint()
    bench.click(2, 2, 2)
    assert [entry.baked for entry in bench.desk.entries] == [True, False]
    assert "only Undo" in table.item(0, WHAT).toolTip()
    assert "only Undo" in table.item(0, DELETE).toolTip()
    table.cellClicked(0, DELETE)
    bench.settle()
    assert len(bench.desk.entries) == 2


def test_the_eye_hides_the_mark_and_nothing_else(bench, table):
    bench.click(6, 8, 6)
    table.cellClicked(0, EYE)
    assert bench.desk.hidden == {0}
    assert "Show" in table.item(0, EYE).toolTip()
    assert len(bench.desk.entries) == 1
    table.cellClicked(0, EYE)
    assert bench.desk.hidden == frozenset()


def test_the_polarity_turns_over(bench, table):
    bench.click(6, 8, 6)
    table.cellClicked(0, POLARITY)
    bench.settle()
    assert includes(bench) == [False]
    assert "Exclude" in table.item(0, WHAT).toolTip()


def test_delete_removes_the_row_that_was_clicked(bench, table):
    for i in (3, 6, 9):
        bench.click(6, 8, i)
    table.cellClicked(1, DELETE)
    bench.settle()
    assert rows(table) == ["Point  R 3 A 8 S 6", "Point  R 9 A 8 S 6"]


def test_a_second_click_that_comes_too_early_hits_no_other_row(bench, table):
    for i in (3, 6, 9):
        bench.click(6, 8, i)
    bench.desk.remove(0)  # the list is behind until the next turn of the loop
    table.cellClicked(0, DELETE)
    bench.settle()
    assert rows(table) == ["Point  R 6 A 8 S 6", "Point  R 9 A 8 S 6"]


def test_keys_act_on_the_row(bench, panel, table):
    for i in (3, 6):
        bench.click(6, 8, i)
    table.setCurrentCell(0, POLARITY)
    bench.host.press_key(table, "Space")
    bench.settle()
    assert includes(bench) == [False, True]
    bench.host.press_key(table, "Delete")
    bench.settle()
    assert rows(table) == ["Point  R 6 A 8 S 6"]


def test_going_to_a_row_centres_the_slice_views_on_it(bench, table):
    bench.click(3, 4, 5)
    bench.click(9, 10, 11)
    for row, (k, i) in enumerate([(3, 5), (9, 11)]):
        table.setCurrentCell(row, WHAT)
        red, yellow = (bench.host.slice_widget(name).mrmlSliceNode() for name in ("Red", "Yellow"))
        assert red.GetSliceToRAS().GetElement(2, 3) == pytest.approx(k)
        assert yellow.GetSliceToRAS().GetElement(0, 3) == pytest.approx(i)


def test_a_result_does_not_move_the_views(bench, table):
    bench.click(3, 4, 5)
    bench.click(9, 10, 13)
    table.setCurrentCell(0, WHAT)
    logic = slicer.app.layoutManager().sliceWidget("Red").sliceLogic()
    logic.SetSliceOffset(7.0)
    bench.click(9, 10, 11)
    bench.desk.remove(0)
    bench.settle()
    assert logic.GetSliceOffset() == 7.0


def test_a_hundred_prompts_are_not_made_again_for_each_event(bench, panel, table, monkeypatch):
    points = [bench.at(k, j, 5) for k in range(10) for j in range(10)]
    bench.desk.add(*points)
    bench.settle()
    assert table.rowCount == 100
    filled = []
    fill = panel.prompts._fill
    monkeypatch.setattr(panel.prompts, "_fill", lambda row: (filled.append(row), fill(row)))
    bench.desk.say("something else")
    bench.settle()
    assert not filled
    bench.desk.hide(40)
    bench.settle()
    assert filled == [40]
    filled.clear()
    bench.desk.remove(10)
    bench.settle()
    assert not filled
    assert table.rowCount == 99
    filled.clear()
    bench.click(5, 5, 15)
    assert set(filled) == {99}
    assert len(rows(table)) == 100


def test_undo_and_clear_go_through_the_list(bench, panel, table):
    bench.click(3, 4, 5)
    bench.click(9, 10, 11)
    bench.desk.undo()
    bench.settle()
    assert rows(table) == ["Point  R 5 A 4 S 3"]
    bench.desk.redo()
    bench.settle()
    assert table.rowCount == 2
    panel.clear.button.click()
    bench.settle()
    assert table.rowCount == 0
    assert not panel.clear.button.enabled
    assert panel.clear.button.toolTip == "This segment has no prompts to clear."
    bench.desk.undo()
    bench.settle()
    assert table.rowCount == 2


def test_undo_and_redo_say_when_there_is_nothing(bench, panel):
    desk = bench.desk
    assert desk.cannot_undo == "There is nothing to undo."
    bench.click(3, 4, 5)
    assert not desk.cannot_undo
    assert desk.cannot_redo == "There is nothing to redo."
    for _ in range(5):
        desk.undo()
        bench.settle()
    assert desk.cannot_undo
    assert not desk.cannot_redo


def test_the_panel_has_no_undo_beside_that_of_the_editor(panel):
    texts = {widget.text for widget in panel.widget.children() if widget.className() == _BUTTON}
    assert "Clear" in texts
    assert not {"Undo", "Redo"} & texts


def test_another_segment_has_its_own_list(bench, table):
    bench.click(3, 4, 5)
    other = bench.segmentation.GetSegmentation().AddEmptySegment("other")
    first = bench.node.GetSelectedSegmentID()
    bench.node.SetSelectedSegmentID(other)
    bench.settle()
    assert rows(table) == []
    bench.node.SetSelectedSegmentID(first)
    bench.settle()
    assert rows(table) == ["Point  R 5 A 4 S 3"]
