"""Pictures for the docs: the effects at work on the sample CT of the module."""

import numpy as np
import pytest
from effects_kit import SCREENSHOTS, helper, make  # noqa: F401
from medseg_scene.sample import add_sample

RIGHT, LEFT, LIVER = (14, 63, 41), (16, 63, 86), (16, 42, 38)
#: What is drawn, as (k, j, i) of the sample.
DRAWN = {
    "Box": [(14, 53, 30), (14, 73, 53)],
    "Scribble": [(16, 34, 32), (16, 44, 38), (16, 38, 46)],
    "Lasso": [(16, 63 + 10 * np.sin(a), 86 + 12 * np.cos(a)) for a in np.linspace(0, 6, 16)],
}


def draw(room, name):
    if name == "Text":
        room.desk.find("fat")
    elif name in DRAWN:
        room.drag(DRAWN[name])
    else:
        room.click(*RIGHT)
    room.settle()
    if name == "Point":
        room.click(*LIVER, modifiers=["Control"])
    if name == "Propagate":
        room.desk.propagate(first=10, last=18)
    room.settle()


@pytest.mark.parametrize("name", ["Point", "Box", "Scribble", "Lasso", "Text", "Propagate"])
def test_an_effect_at_work(make, name):  # noqa: F811
    sample = add_sample()
    room = make(volume=sample.volume, segmentation=sample.segmentation, model="default")
    room.activate(name)
    draw(room, name)
    assert room.mask().any(), room.desk.line
    room.host.show_volume(sample.volume)
    place = DRAWN.get(name, [RIGHT])[0]
    room.view().sliceLogic().SetSliceOffset(float(room.ras(*place)[2]))
    room.host.screenshot(room.view(), SCREENSHOTS / f"sample-{name.lower()}.png")
    room.host.screenshot(room.widget, SCREENSHOTS / f"sample-{name.lower()}-panel.png")
