"""Wrappers of PySide objects as PythonQt makes them: properties as attributes, enums as ints."""

from __future__ import annotations

import enum
import functools
import weakref
from typing import Any

from PySide6 import QtCore

from . import links, names
from .faults import shielded
from .values import EnumInt, Mismatch, call, enum_int, inside, outside, overloads, taking

#: PySide class -> its wrapper class.
_wrappers: dict[type, WrapperType] = {}
_PROPERTY_KINDS = {"bool": bool, "int": int, "double": float, "float": float, "QString": str}


class WrapperType(type):
    """Class of wrapper classes: enum values, static and unbound methods as class attributes."""

    _cpp: type
    _names: frozenset[str] | None

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls._class_attribute(name)

    def _class_attribute(cls, name: str) -> Any:
        if cls._names is not None and name not in cls._names:
            raise names.refusal(cls._label, name)
        found = getattr(cls._cpp, name, None)
        if found is None:
            found = _unscoped(cls._cpp, name)
        if isinstance(found, enum.Enum):
            return enum_int(found)
        if isinstance(found, type) and issubclass(found, enum.Enum):
            return EnumType(found)
        if isinstance(found, int):
            return int(found)
        if callable(found):
            return functools.partial(_unbound, cls, name, found)
        raise names.gap(cls._label, name)


class EnumType:
    """An enum such as ``qt.Qt.AlignmentFlag``: its values, and a call that makes one."""

    def __init__(self, kind: type[enum.Enum]) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> int:
        return enum_int(self._kind[name])

    def __call__(self, value: int) -> int:
        return enum_int(self._kind(int(value)))


class Wrapper(metaclass=WrapperType):
    """A C++ object as Python sees it."""

    _is_wrapper = True
    _cpp: type = object
    _names: frozenset[str] | None = frozenset()
    _label = "object"

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_cpp" not in cls.__dict__:  # written in Python, by a user
            base = cls._cpp
            overrides = {n: _virtual(base, n) for n in cls.__dict__ if _overridable(base, n)}
            cls._cpp = type(cls._cpp)(cls.__name__, (cls._cpp,), overrides)

    def __init__(self, *args: object) -> None:
        cpp = type(self)._cpp
        described = next(c for c in cpp.__mro__ if c.__module__.startswith(("PySide6.", "host.")))
        known = described.__module__.startswith("PySide6.")
        made = _make(cpp, described if known else None, args, type(self)._label)
        _attach(self, made, strongly=_is_users(type(self)))

    def __getattr__(self, name: str) -> Any:
        if name == "_qt":
            raise RuntimeError(f"{type(self).__name__}: the base class's __init__ was not called")
        if name.startswith("__"):
            raise AttributeError(name)
        return _read(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if not _write(self, name, value):
            if not _is_users(type(self)):
                raise AttributeError(f"{self._label} has no property {name!r} that can be set")
            object.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        return sorted(type(self)._names or ())

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wrapper) and bool(self._qt == other._qt)

    def __hash__(self) -> int:
        return hash(self._qt) if isinstance(self._qt, QtCore.QObject) else id(self._qt)

    def __repr__(self) -> str:
        return f"{type(self).__name__} ({self._label} at {id(self._qt):#x})"


def wrapper_class(cpp: type, label: str | None = None) -> WrapperType:
    """The wrapper class of a PySide class; ``label`` is its name in the list of names."""
    if cpp not in _wrappers:
        bases = [b for b in cpp.__bases__ if b.__module__.startswith(("PySide6.", "host."))]
        parent = wrapper_class(bases[0]) if bases else Wrapper
        label = label or cpp.__dict__.get("_host_label") or f"qt.{cpp.__name__}"
        listed = names.of_class(label)
        if listed is None:
            listed = parent._names if parent is not Wrapper else None
        body = {"_cpp": cpp, "_names": listed, "_label": label}
        _wrappers[cpp] = WrapperType(cpp.__name__, (parent,), body)
    return _wrappers[cpp]


def wrap(value: Any) -> Any:
    """The wrapper of a PySide object; the same one as long as somebody holds it."""
    known = getattr(value, "_host_wrapper", None)
    known = known() if isinstance(known, weakref.ref) else known
    if known is not None:
        return known
    wrapper = object.__new__(wrapper_class(type(value)))
    _attach(wrapper, value, strongly=False)
    return wrapper


def _attach(wrapper: Wrapper, value: Any, strongly: bool) -> None:
    object.__setattr__(wrapper, "_qt", value)
    if isinstance(value, QtCore.QObject):
        value._host_wrapper = wrapper if strongly else weakref.ref(wrapper)


def _make(cpp: type, described: type | None, args: tuple, label: str) -> Any:
    if described is None or overloads(described) is None:
        return cpp(*(inside(a) for a in args))
    made: list = []  # `call` must not wrap the new object
    call(label, lambda *taken: made.append(cpp(*taken)), described, args)
    return made[0]


def _is_users(kind: type) -> bool:
    return _wrappers.get(kind._cpp) is not kind


def _read(wrapper: Wrapper, name: str) -> Any:
    value, listed = wrapper._qt, type(wrapper)._names
    if isinstance(value, QtCore.QObject):
        if name.encode() in [bytes(n.data()) for n in value.dynamicPropertyNames()]:
            return outside(value.property(name))
        name = _known_name(value, name)
    if listed is not None and name not in listed:
        raise names.refusal(wrapper._label, name)
    if isinstance(value, QtCore.QObject):
        if value.metaObject().indexOfProperty(name) >= 0:
            return outside(value.property(name))
        signature = links.first_signature(value, name)
        if signature is not None:
            return links.Signal(value, name, signature)
        special = _SPECIAL.get(name)
        if special is not None:
            return functools.partial(special, value)
    found = getattr(value, name, None)
    if callable(found) and not isinstance(found, type):
        described = getattr(type(value), name, found)
        return functools.partial(_call, f"{wrapper._label}.{name}", found, described)
    return type(wrapper)._class_attribute(name)


def _write(wrapper: Wrapper, name: str, value: Any) -> bool:
    target = wrapper._qt if name != "_qt" else None
    if not isinstance(target, QtCore.QObject):
        return False
    name = _known_name(target, name)
    index = target.metaObject().indexOfProperty(name)
    if index < 0 or (type(wrapper)._names is not None and name not in type(wrapper)._names):
        return False
    kind = target.metaObject().property(index).typeName()
    value = inside(value)
    try:
        value = taking(value, _PROPERTY_KINDS.get(kind), loose=True)
    except Mismatch as error:
        raise ValueError(
            f"Property '{name}' of type '{kind}' does not accept an object of type "
            f"{type(value).__name__}"
        ) from error
    value = int(value) if isinstance(value, EnumInt) else value
    if value is None or not target.setProperty(name, value):
        raise ValueError(f"Property '{name}' of type '{kind}' does not accept {value!r}")
    return True


def _known_name(value: QtCore.QObject, name: str) -> str:
    """PythonQt lets ``name`` stand for ``objectName``."""
    maps = name == "name" and value.metaObject().indexOfProperty("name") < 0
    return "objectName" if maps else name


def _call(label: str, function: Any, described: Any, *args: object) -> Any:
    return call(label, function, described, args)


def _unbound(cls: WrapperType, name: str, function: Any, *args: Any) -> Any:
    """``qt.QWidget.paintEvent(self, event)`` or a static function."""
    return call(f"{cls._label}.{name}", function, function, args)


def _unscoped(cpp: type, name: str) -> enum.Enum | None:
    for kind in cpp.__mro__:
        for member in vars(kind).values():
            is_enum = isinstance(member, type) and issubclass(member, enum.Enum)
            if is_enum and name in member.__members__:
                return member[name]
    return None


def _overridable(cpp: type, name: str) -> bool:
    return not name.startswith("__") and callable(getattr(cpp, name, None))


def _virtual(base: type, name: str) -> Any:
    """The C++ virtual that runs the Python method of that name, and prints its exceptions."""

    def virtual(self: Any, *args: object) -> Any:
        wrapper = getattr(self, "_host_wrapper", None)
        if wrapper is None:  # the constructor is still at work
            return getattr(base, name)(self, *args)
        method = getattr(type(wrapper), name).__get__(wrapper)
        answer = shielded(method, *(outside(a) for a in args))
        return bool(answer) if name in ("event", "eventFilter") else inside(answer)

    return virtual


#: What PythonQt gives every object beside Qt's own methods.
_SPECIAL = {
    "connect": links.connect,
    "disconnect": links.disconnect,
    "className": lambda value: value.metaObject().className(),
    "delete": lambda value: value.deleteLater(),
}
