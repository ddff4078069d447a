# ruff: noqa: N801, N802, N815
"""Effects written in Python, and the factory that knows them."""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore
from PySide6.QtCore import Property, Signal

from .effect import qSlicerSegmentEditorAbstractEffect
from .faults import complain, faults, shielded
from .modules import provides
from .objects import wrap


@provides("slicer")
class qSlicerSegmentEditorScriptedEffect(qSlicerSegmentEditorAbstractEffect):
    """An effect whose methods are those of a Python class."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._source, self._python = "", None

    def setPythonSource(self, path: str) -> bool:
        """Module name = parent folder; class name = file name (+ "Effect")."""
        source = Path(path)
        folder, kind = source.parent.name, source.stem
        kind += "" if kind.endswith("Effect") else "Effect"
        if not hasattr(sys.modules.get(folder), kind):
            spec = importlib.util.spec_from_file_location(folder, source)
            module = importlib.util.module_from_spec(spec)
            sys.modules[folder] = module
            spec.loader.exec_module(module)
        self._source = str(path)
        self._python = getattr(sys.modules[folder], kind)(wrap(self))
        setattr(slicer, folder, self._python)
        return True

    def self(self) -> Any:
        return self._python

    def call(self, method: str, *args: Any) -> Any:
        """The Python method of that name, else what C++ does; its exceptions are printed."""
        if method in ("activate", "deactivate"):
            super().call(method)
        if method == "updateGUIFromMRML" and not self._kept["active"]:
            return None
        own = getattr(self._python, method, None)
        if own is None:
            return super().call(method, *args)
        shown = [wrap(a) if isinstance(a, QtCore.QObject) else a for a in args]
        before = len(faults)
        answer = shielded(own, *shown)
        if method == "processInteractionEvents" and type(answer) is not bool:
            if len(faults) > before:
                return False
            complain(
                f"{self.name_}.processInteractionEvents returned {answer!r} of type "
                f"{type(answer).__name__}; PythonQt takes only True or False"
            )
            return False
        return getattr(answer, "_qt", answer)

    pythonSource = Property(str, lambda self: self._source)


@provides("slicer")
class qSlicerSegmentEditorEffectFactory(QtCore.QObject):
    """The effects that every new editor widget gets."""

    effectRegistered = Signal(str)
    _one: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._effects: list[Any] = []

    @staticmethod
    def instance() -> qSlicerSegmentEditorEffectFactory:
        kind = qSlicerSegmentEditorEffectFactory
        kind._one = kind._one or kind()
        return kind._one

    def registerEffect(self, effect: Any) -> bool:
        names = [e.name_ for e in self._effects]
        if not effect.name_:
            logging.critical("an effect without a name is not registered")
        if not effect.name_ or effect.name_ in names:
            return False
        self._effects.append(effect)
        self.effectRegistered.emit(effect.name_)
        return True

    def registeredEffects(self) -> list[Any]:
        return list(self._effects)

    def forget(self) -> None:
        """For the host: no effects, as before start-up."""
        self._effects.clear()
