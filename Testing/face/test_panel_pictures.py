# ruff: noqa: F811
"""Pictures of the panel in several states, for the docs and for whoever changes it."""

import pytest
from panel_kit import KINDS, SCREENSHOTS, bench, owner  # noqa: F401

WIDTH = 350


def shoot(bench, panel, name):
    panel.widget.setFixedWidth(WIDTH)
    panel.widget.show()
    bench.host.turn()
    panel.widget.adjustSize()
    return bench.host.screenshot(panel.widget, SCREENSHOTS / f"panel-{name}.png")


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_panel(bench, kind):
    panel = bench.panel(kind)
    assert shoot(bench, panel, kind).exists()
    assert panel.widget.minimumSizeHint.width() <= WIDTH
