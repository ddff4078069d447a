# ruff: noqa: F811
"""Pictures of the panel in several states, for the docs and for whoever changes it.

Looked at by people; what is tested here is that nothing is cut off or wider than Slicer's panel.
"""

import pytest
import slicer
from medseg import Box, Scribble
from panel_kit import KINDS, SCREENSHOTS, bench, owner  # noqa: F401

WIDTH = 350


def shoot(bench, panel, name):
    widget = panel.widget
    widget.setFixedWidth(WIDTH)
    widget.show()
    bench.host.turn()
    widget.setFixedHeight(widget.sizeHint.height())
    path = bench.host.screenshot(widget, SCREENSHOTS / f"panel-{name}.png")
    assert widget.minimumSizeHint.width() <= WIDTH
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_panel(bench, kind):
    shoot(bench, bench.panel(kind), kind)


def give_prompts(bench):
    bench.click(6, 8, 6)
    bench.click(6, 8, 14, include=False)
    bench.desk.add(Box([8.0, 8.0, 6.0], [8.0, 6.0, 0.0]))
    bench.desk.add(Scribble([[4.0, 4.0, 6.0], [6.0, 5.0, 6.0]], radius=1.5))
    bench.settle()


def test_prompts_of_all_sorts(bench):
    panel = bench.panel("point")
    give_prompts(bench)
    bench.desk.hide(1)
    bench.desk.model = "slow"
    bench.desk.add(bench.at(3, 4, 5))
    bench.host.turn()
    panel.status._show_busy()
    shoot(bench, panel, "prompts")


def test_prompts_before_a_hand_edit_are_greyed(bench):
    panel = bench.panel("box")
    give_prompts(bench)
    bench.paint()
    bench.click(2, 2, 2)
    shoot(bench, panel, "baked")


def test_a_preview_and_a_frozen_surrounding(bench):
    panel = bench.panel("point")
    panel.more.button.collapsed = False
    panel.more.preview.click()
    panel.more.freeze.mode.setCurrentIndex(2)
    panel.more.freeze.mode.activated(2)
    bench.click(6, 8, 6)
    shoot(bench, panel, "preview")
    panel.more.freeze.mode.setCurrentIndex(1)
    panel.more.freeze.mode.activated(1)
    panel.more.freeze.roi.addNode()
    bench.host.turn()
    shoot(bench, panel, "roi")


def test_a_propagation(bench):
    panel = bench.panel("propagate")
    bench.click(6, 8, 6)
    panel.top.start.click()
    bench.spin(lambda: len(bench.desk.confidence) > 3 or not bench.desk.busy)
    panel.refresh()
    shoot(bench, panel, "propagating")
    bench.settle()
    shoot(bench, panel, "propagated")


def test_nothing_chosen_yet(bench):
    panel = bench.panel("scribble")
    slicer.mrmlScene.RemoveNode(bench.volume)
    bench.settle()
    shoot(bench, panel, "reason")


def test_a_long_list_and_a_long_answer(bench):
    panel = bench.panel("text")
    bench.desk.add(*(bench.at(k, j, 5) for k in range(4) for j in range(4)))
    bench.settle()
    bench.desk.model = "geodesic-cut"
    panel.top.line.setText("hippocampus")
    panel.top.line.returnPressed()
    bench.settle()
    shoot(bench, panel, "not-found")


def test_a_dark_window(bench):
    import qt

    give_prompts(bench)
    panel = bench.panel("scribble")
    dark = qt.QPalette(qt.QColor("#353535"))
    for role in (qt.QPalette.WindowText, qt.QPalette.Text, qt.QPalette.ButtonText):
        dark.setColor(role, qt.QColor("#e8e8e8"))
    dark.setColor(qt.QPalette.Base, qt.QColor("#2a2a2a"))
    panel.widget.setPalette(dark)
    bench.desk.add(bench.at(2, 2, 2))
    bench.settle()
    panel.more.button.collapsed = False
    panel.more.freeze.mode.setCurrentIndex(1)
    panel.more.freeze.mode.activated(1)
    shoot(bench, panel, "dark")
