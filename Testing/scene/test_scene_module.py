"""The module file, loaded with stand-ins for the parts of the application that it names."""

import importlib
import sys
from types import ModuleType, SimpleNamespace

import medseg
import pytest
from scene_kit import Balls


class Base:
    """Takes the place of Slicer's module base classes."""

    def __init__(self, parent=None):
        self.parent = parent


def stand_in(name, **content):
    module = ModuleType(name)
    vars(module).update(content)
    return module


@pytest.fixture
def module(scene, monkeypatch):
    kinds = ("", "Widget", "Logic", "Test")
    bases = {"ScriptedLoadableModule" + kind: type("Base", (Base,), {}) for kind in kinds}
    base = stand_in("slicer.ScriptedLoadableModule", **bases)
    i18n = stand_in("slicer.i18n", tr=str, translate=lambda context, text: text)
    for each in (base, i18n):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    monkeypatch.delitem(sys.modules, "MedSegFoundation", raising=False)
    yield importlib.import_module("MedSegFoundation")
    sys.modules.pop("MedSegFoundation")


@pytest.fixture
def session(module, volume, segmentation, monkeypatch):
    monkeypatch.setattr(medseg, "find", lambda name: Balls())
    return module.MedSegFoundationLogic().openSession(volume, segmentation)


def test_slicer_lists_the_module_under_segmentation(module):
    parent = SimpleNamespace()
    module.MedSegFoundation(parent)
    assert parent.title == "MedSegFoundation"
    assert parent.categories == ["Segmentation"]
    assert "nothing is uploaded" in parent.helpText


def test_scripts_add_points(module, session):
    step = module.MedSegFoundationLogic().addPoint(session, [5, 8, 6])
    assert step.voxels > 0
    assert session.mask[6, 8, 5]


def test_what_the_model_cannot_do_is_said(module, session):
    with pytest.raises(medseg.UnsupportedPromptError, match="cannot do box prompts"):
        module.MedSegFoundationLogic().addBox(session, [1, 1, 1], [5, 5, 5])


def test_the_logic_has_every_scripting_call(module):
    from medseg_scene import Scripting

    calls = {name for name in vars(Scripting) if not name.startswith("_")}
    assert calls <= set(dir(module.MedSegFoundationLogic()))


def test_prompts_are_moved_and_turned_over_in_a_session_that_waits(module, session):
    logic = module.MedSegFoundationLogic()
    logic.addPoint(session, [5, 8, 6])
    logic.movePrompt(session, 0, medseg.Point([14, 8, 6]))
    assert session.mask[6, 8, 14]
    logic.togglePrompt(session, 0)
    assert not session.mask.any()
    with pytest.raises(medseg.PromptError, match="no prompt 4"):
        logic.togglePrompt(session, 4)
    logic.undo(session)
    logic.removePrompt(session, 0)
    assert session.prompts == ()
