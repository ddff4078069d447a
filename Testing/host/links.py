"""Signals and slots in PythonQt's spelling."""

from __future__ import annotations

import re
import types
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from .faults import report, shielded
from .values import inside, outside


def normal(signature: str) -> str:
    """The spelling of Qt's tables; a VTK pointer is a Python object here."""
    spelled = QtCore.QMetaObject.normalizedSignature(signature)
    return re.sub(r"vtk\w+\*", "PyObject", spelled.data().decode() if spelled else signature)


def connect(sender: Any, signature: str, target: Any, slot: str | None = None) -> bool:
    """False, and no exception, when the sender has no such signal."""
    spelled = normal(signature)
    if sender.metaObject().indexOfSignal(spelled) < 0:
        return False
    function = target if slot is None else _slot(target, slot)
    link = QtCore.QObject.connect(sender, QtCore.SIGNAL(spelled), _relay(function))
    _links(sender).append((spelled, function, link))
    return True


def disconnect(sender: Any, signature: str, target: Any = None, slot: str | None = None) -> bool:
    function = target if slot is None else _slot(target, slot)
    spelled = normal(signature)
    for entry in list(_links(sender)):
        known, other, link = entry
        if known == spelled and function in (None, other):
            QtCore.QObject.disconnect(link)
            _links(sender).remove(entry)
            return True
    return False


def first_signature(sender: Any, name: str) -> str | None:
    """The full signature of the signal ``name``: the first of those declared, as PythonQt does."""
    return _signals(sender).get(name)


_known: dict[type, dict[str, str]] = {}


def _signals(sender: Any) -> dict[str, str]:
    """Name -> full signature, of all signals of an object's class."""
    if type(sender) not in _known:
        meta = sender.metaObject()
        methods = [meta.method(index) for index in range(meta.methodCount())]
        signals = [m for m in methods if m.methodType() == QtCore.QMetaMethod.MethodType.Signal]
        spelled = [m.methodSignature().data().decode() for m in reversed(signals)]
        _known[type(sender)] = {signature.split("(")[0]: signature for signature in spelled}
    return _known[type(sender)]


class Signal:
    """``b.clicked``: to connect, to disconnect, and to call, which emits it."""

    def __init__(self, sender: Any, name: str, signature: str) -> None:
        self._sender, self._name, self._signature = sender, name, signature

    def connect(self, target: Any, slot: str | None = None) -> bool:
        return connect(self._sender, self._signature, target, slot)

    def disconnect(self, target: Any = None, slot: str | None = None) -> bool:
        return disconnect(self._sender, self._signature, target, slot)

    def __call__(self, *args: object) -> None:
        getattr(self._sender, self._name).emit(*(inside(a) for a in args))


def _links(sender: Any) -> list:
    if not hasattr(sender, "_host_links"):
        sender._host_links = []
    return sender._host_links


def _slot(target: Any, slot: str) -> Callable:
    return getattr(target, re.sub(r"\(.*", "", slot))


def _relay(function: Callable) -> Callable:
    """A function gets as many arguments as it takes; one that wants more is not run."""
    most = _most(function)

    def relay(*args: object) -> None:
        try:
            given = [outside(a) for a in args]
        except Exception:
            report()
            return
        shielded(function, *(given if most is None else given[:most]))

    return relay


def _most(function: Callable) -> int | None:
    plain = function.__func__ if isinstance(function, types.MethodType) else function
    if not isinstance(plain, types.FunctionType) or plain.__code__.co_flags & 0x04:
        return None
    return plain.__code__.co_argcount - isinstance(function, types.MethodType)
