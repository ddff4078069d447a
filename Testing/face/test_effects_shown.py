# ruff: noqa: F811
"""Which effects there are, and what each shows before it is used."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from effects_kit import (  # noqa: F401
    EFFECTS,
    Registration,
    helper,
    make,
    room,
)
from medseg_face import application, icons

pytestmark = pytest.mark.usefixtures("host")


# Registration


def test_six_effects_are_registered_once(room):
    names = [f"MedSeg {name}" for name in EFFECTS]
    Registration.register_effects()
    known = [n for n in room.widget.availableEffectNames() if n.startswith("MedSeg")]
    assert known == names
    assert [room.widget.effectByName(n).title for n in names] == [f"AI {n}" for n in EFFECTS]


@pytest.mark.parametrize("name", EFFECTS)
def test_an_effect_can_be_used_before_there_is_a_segment(room, name):
    effect = room.widget.effectByName(f"MedSeg {name}")
    assert not effect.requireSegments
    assert not effect.perSegment
    room.activate(name)
    assert room.effect is not None
    assert room.desk.reason == ""


def test_effects_of_one_editor_share_a_desk_and_editors_do_not(make):
    first, second = make(), make()
    first.activate("Point")
    desk = first.desk
    first.activate("Box")
    assert first.desk is desk
    second.activate("Point")
    assert second.desk is not desk
    assert second.effect is not first.effect


STARTED = """
import sys
sys.path.insert(0, {testing!r})
import host
host.start()
import slicer
before = set(sys.modules)
from types import SimpleNamespace
from SegmentEditorMedSegFoundation import SegmentEditorMedSegFoundation
parent = SimpleNamespace(path={path!r})
module = SegmentEditorMedSegFoundation(parent)
factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
assert not factory.registeredEffects()
assert not set(sys.modules) - before - {{"SegmentEditorMedSegFoundation"}}, "loaded too early"
slicer.app.startupCompleted()
assert len(factory.registeredEffects()) == 6
loaded = {{name.split(".")[0] for name in set(sys.modules) - before}}
heavy = loaded & {{"medseg", "medseg_scene", "scipy", "SimpleITK", "requests", "torch"}}
assert not heavy, heavy
host.stop()
"""


def test_nothing_heavy_is_loaded_when_the_application_starts():
    testing = Path(__file__).parents[1]
    path = testing.parent / "MedSegFoundation" / "SegmentEditorMedSegFoundation.py"
    code = STARTED.format(testing=str(testing), path=str(path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_building_an_editor_starts_no_helper(make):
    application.close()
    room = make()
    assert room.effect is None
    assert not room.face.owner.started
    room.activate()
    assert room.face.owner.started


# What one sees


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", EFFECTS)
def test_icons_are_drawn_for_light_and_dark_windows(room, name, dark):
    image = icons.pixmap(f"MedSeg{name}", 32, dark).toImage()
    colours = [image.pixelColor(x, y) for x in range(32) for y in range(32)]
    greys = [c.lightness() for c in colours if c.alpha() > 200 and c.saturation() < 30]
    assert len(greys) > 20
    assert (np.median(greys) > 128) == dark


@pytest.mark.parametrize("name", EFFECTS)
def test_each_effect_has_help_and_a_cursor(room, name):
    effect = room.activate(name)
    text = effect.helpText()
    assert text.startswith("<html>")
    for word in ("Ctrl", "Esc", "Delete", "Masking"):
        assert word in text
    assert not effect.createCursor(room.view()).pixmap().isNull()


@pytest.mark.parametrize("name", EFFECTS)
def test_each_effect_shows_its_panel(room, name):
    effect = room.activate(name)
    room.turn()
    frame = room.widget.activeEffect().optionsFrame()
    assert effect._panel.widget.parent() == frame
    assert effect._panel.kind == name.lower()
    assert not frame.isHidden()
    room.leave()
    assert frame.isHidden()
    assert effect._panel.connections == 0


def test_the_panel_is_built_when_it_is_first_used(room):
    effect = room.widget.effectByName("MedSeg Box").self()
    assert effect._panel is None
    room.activate("Point")
    assert effect._panel is None
    room.activate("Box")
    panel = effect._panel
    room.activate("Point")
    room.activate("Box")
    assert effect._panel is panel
