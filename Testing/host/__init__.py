"""A stand-in for the 3D Slicer application, made of real parts, for tests where there is none.

Qt is PySide6 without a screen, scene and logics are those of slicer-core, views are real render
windows. On top lies what PythonQt makes of Qt, with its habits and its strictness. The host knows
nothing of our code, and refuses every name that a running Slicer 5.13 does not have.

`start` puts it in place, `stop` takes it away; in a real Slicer `real.py` offers the same.
"""

from __future__ import annotations

import os
import sys
import types
from importlib.util import find_spec
from typing import Any

_APT = "libegl1 libgl1 libxkbcommon0 libfontconfig1 libdbus-1-3 libglib2.0-0"
_state: dict[str, Any] = {}


def why_not() -> str | None:
    """Why it cannot run here; None if it can."""
    if find_spec("slicer") is None:
        return "slicer-core is not installed"
    if find_spec("PySide6") is None:
        return "PySide6-Essentials is not installed"
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    try:
        from PySide6 import QtSvg, QtUiTools, QtWidgets  # noqa: F401
    except ImportError as error:
        return f"Qt cannot load ({error}); on Debian: apt-get install {_APT}"
    import PySide6

    if PySide6.__version_info__[:2] >= (6, 12) and sys.version_info < (3, 12):
        return "PySide6 6.12 takes one reference too many from None in each slot; install 6.11"
    return None


def prepare() -> None:
    """Make `qt`, `ctk` and Slicer's Python modules importable; `slicer` stays as it is."""
    import slicer.util  # noqa: F401

    from .modules import add_qt
    from .python_side import modules

    add_qt()
    for name, module in modules().items():
        sys.modules.setdefault(name, module)


def start() -> None:
    """Make `slicer` the application's, with an empty scene."""
    import slicer

    from . import ctk_simple, ctk_widgets, editor, nodes, views  # noqa: F401
    from .app import qSlicerApplication
    from .faults import faults
    from .modules import Modules, show
    from .names import of_class
    from .objects import wrap, wrapper_class

    prepare()
    if "app" not in _state:
        _state["app"] = qSlicerApplication()
    app = _state["app"]
    world = app.begin()
    wrapper_class(qSlicerApplication, "slicer.app")
    wrapper_class(type(app.layoutManager()), "layoutManager")
    assert of_class("slicer.app")
    _state["before"] = {
        module: dict(vars(module)) for module in (slicer, sys.modules["slicer.util"])
    }
    for module in (sys.modules["slicer.util"], slicer):
        show(module)
    _state["shown"] = wrap(app)
    slicer.app = _state["shown"]
    slicer.mrmlScene = world.scene
    slicer.modules = Modules(world.logic)
    for name in ("ScriptedLoadableModule", "i18n"):
        setattr(slicer, name, sys.modules[f"slicer.{name}"])
    faults.start()


def stop() -> None:
    """Leave `slicer` as it was."""
    import slicer

    from .faults import faults
    from .modules import unguard

    faults.stop()
    for module in (slicer, sys.modules["slicer.util"]):
        if isinstance(module, types.ModuleType):
            unguard(module)
    for name in ("mrmlScene", "modules"):
        vars(slicer).pop(name, None)
    for module, before in _state.pop("before", {}).items():
        vars(module).update(before)


def clear() -> None:
    """As after start-up: an empty scene, no effects, no faults."""
    from PySide6 import QtCore

    from .faults import faults
    from .scripted import qSlicerSegmentEditorEffectFactory

    app = _state["app"]
    world = app.world
    qSlicerSegmentEditorEffectFactory.instance().forget()
    world.scene.Clear(0)
    world.editor_node()
    world.application.GetInteractionNode().SwitchToViewTransformMode()
    QtCore.QSettings().clear()
    app.closeAllWindows()
    app.processEvents()
    app.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    faults.clear()
