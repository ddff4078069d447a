"""`qt` and `ctk`, and the guard on `slicer`: names the application lacks are refused."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtGui, QtNetwork, QtSvg, QtUiTools, QtWidgets

from . import names
from .objects import wrapper_class
from .values import enum_int

_PYSIDE = (QtCore, QtGui, QtWidgets, QtNetwork, QtUiTools, QtSvg)
#: Classes made by the host: module -> name -> PySide class.
made: dict[str, dict[str, type]] = {"qt": {}, "ctk": {}, "slicer": {}}


def provides(module: str) -> Any:
    """Decorator: a PySide class that stands for ``module``'s class of the same name."""

    def enter(cls: type) -> type:
        made[module][cls.__name__] = cls
        cls._host_label = f"{module}.{cls.__name__}"
        return cls

    return enter


def of_host(module: str, name: str) -> Any:
    """The wrapper class for a class of the host; None if it made none of that name."""
    cls = made[module].get(name)
    return None if cls is None else wrapper_class(cls, f"{module}.{name}")


class QtModule(types.ModuleType):
    """`qt` or `ctk`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in names.of_module(self.__name__):
            raise names.refusal(self.__name__, name)
        found = self._find(name)
        setattr(self, name, found)
        return found

    def _find(self, name: str) -> Any:
        own = of_host(self.__name__, name)
        if own is not None:
            return own
        if self.__name__ == "qt":
            for module in _PYSIDE:
                found = getattr(module, name, None)
                if isinstance(found, type) and issubclass(found, QtCore.Qt):
                    return wrapper_class(found, "qt.Qt")
                if isinstance(found, type) and found.__name__ == name:
                    return wrapper_class(found)
                if callable(found):
                    return found
            if name in QtCore.QtMsgType.__members__:
                return enum_int(QtCore.QtMsgType[name])
        raise names.gap(self.__name__, name)


class Guarded(types.ModuleType):
    """A real module of slicer-core that shows only what the application's has."""

    def __getattribute__(self, name: str) -> Any:
        inner = super().__getattribute__
        if name.startswith("_"):
            return inner(name)
        module, given = inner("__name__"), inner("__dict__").get("_host_given", {})
        if name in given:
            return given[name]
        if name not in names.of_module(module):
            raise names.refusal(module, name)
        if module == "slicer" and name in made["slicer"]:
            return of_host("slicer", name)
        try:
            return inner(name)
        except AttributeError:
            raise names.gap(module, name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        super().__getattribute__("__dict__").setdefault("_host_given", {})[name] = value

    def __delattr__(self, name: str) -> None:
        del super().__getattribute__("__dict__")["_host_given"][name]

    def __dir__(self) -> list[str]:
        return sorted(names.of_module(self.__name__))


class Modules:
    """`slicer.modules`: real logics where slicer-core has them, and what scripted modules add."""

    def __init__(self, logic: Callable[[str], Any]) -> None:
        self._logic = logic

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name not in names.of_module("slicer.modules"):
            raise AttributeError(f"no module {name!r} is loaded")
        logic = self._logic(name)
        if logic is None:
            raise names.gap("slicer.modules", name)
        return types.SimpleNamespace(logic=lambda: logic)


def show(real: types.ModuleType) -> None:
    """Put the guard on ``real``."""
    real.__class__ = Guarded


def unguard(real: types.ModuleType) -> None:
    """Take the guard off, and what was set while it was on."""
    types.ModuleType.__getattribute__(real, "__dict__").pop("_host_given", None)
    types.ModuleType.__setattr__(real, "__class__", types.ModuleType)


def add_qt() -> None:
    """Make `qt` and `ctk` importable."""
    for name in ("qt", "ctk"):
        sys.modules.setdefault(name, QtModule(name))
