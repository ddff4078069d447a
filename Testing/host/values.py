"""Values on their way between Python and C++, as loosely and as strictly as PythonQt."""

from __future__ import annotations

import collections.abc
import enum
import inspect
import types
import typing
import warnings
from functools import lru_cache

import numpy as np
from PySide6.support.signature import get_signature

from .faults import shielded


class Mismatch(TypeError):  # noqa: N818
    """A C++ parameter does not take this value."""


class EnumInt(int):
    """An enum value: an int, as in PythonQt; `|` makes a plain int of two."""

    member: enum.Enum


def enum_int(member: enum.Enum) -> EnumInt:
    value = EnumInt(member.value)
    value.member = member
    return value


def inside(value: object) -> object:
    """The PySide object behind a wrapper, also in lists; anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()  # accepted by the application, measured; in lists it was not tried
    if isinstance(value, (list, tuple)):
        return type(value)(v if isinstance(v, np.generic) else inside(v) for v in value)
    if isinstance(value, dict):
        return {k: inside(v) for k, v in value.items()}
    return getattr(value, "_qt", value) if hasattr(type(value), "_is_wrapper") else value


def outside(value: object) -> object:
    """What Python gets for what C++ gave."""
    if isinstance(value, enum.Enum):
        return enum_int(value)
    if isinstance(value, (list, tuple)):
        return type(value)(outside(v) for v in value)
    if isinstance(value, dict):
        return {k: outside(v) for k, v in value.items()}
    if type(value).__module__.startswith("PySide6.") or hasattr(value, "metaObject"):
        from .objects import wrap

        return wrap(value)
    return value


@lru_cache(maxsize=4096)
def overloads(function: object) -> list[list[inspect.Parameter]] | None:
    """The parameters of each C++ overload without ``self``; None where PySide tells nothing."""
    try:
        found = get_signature(function)
    except Exception:
        return None
    if found is None:
        return None
    found = found if isinstance(found, list) else [found]
    return [[p for n, p in s.parameters.items() if n != "self"] for s in found]


def call(name: str, function: object, described: object, args: tuple) -> object:
    """Call a PySide function, taking its overloads strictly first, then loosely."""
    args = tuple(inside(a) for a in args)
    known = overloads(described)
    if known is None:
        return outside(function(*(guarded(a) for a in args)))
    for loose in (False, True):
        for parameters in known:
            usable = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
            variadic = any(p.kind is p.VAR_POSITIONAL for p in usable)
            needed = [p for p in usable if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
            if not variadic and not len(needed) <= len(args) <= len(usable):
                continue
            try:
                taken = [taking(a, p.annotation, loose) for a, p in zip(args, usable, strict=False)]
                taken += args[len(usable) :]
            except Mismatch:
                continue
            try:
                with warnings.catch_warnings():  # Qt 6 warns of names that are right in Qt 5
                    warnings.filterwarnings("ignore", "Function: 'Q", DeprecationWarning)
                    return outside(function(*taken))
            except (TypeError, ValueError) as error:
                if "called with wrong argument" not in str(error):
                    raise
    raise ValueError(f"Called {name} with wrong arguments: {args!r}")


def taking(value: object, kind: object, loose: bool) -> object:
    """``value`` as a parameter of type ``kind`` takes it; `Mismatch` if it does not."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return _one_of(value, typing.get_args(kind), loose)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _enum(value, kind)
    if kind is bool:
        return to_bool(value) if loose else _exactly(value, bool)
    if kind is int:
        return to_int(value) if loose else _exactly(value, int)
    if kind is float:
        return to_float(value) if loose else _exactly(value, (int, float))
    if kind is str:
        return _exactly(value, str)
    if typing.get_origin(kind) is collections.abc.Callable:
        if not callable(value):
            raise Mismatch(value)
        return guarded(value)
    if isinstance(value, (bool, int, float, str)) and _is_qobject(kind):
        raise Mismatch(value)
    return guarded(value)


def to_bool(value: object) -> bool:
    """Numbers by their value, anything else (None, text) is False: nothing is refused."""
    return bool(value) if isinstance(value, (bool, int, float)) else False


def to_int(value: object) -> int:
    if not isinstance(value, (int, float)):
        raise Mismatch(value)
    return int(value)


def to_float(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise Mismatch(value)
    return float(value)


def guarded(value: object) -> object:
    """A Python callable that C++ will call: its exceptions are printed and swallowed."""
    if not callable(value) or isinstance(value, type) or hasattr(value, "metaObject"):
        return value
    return lambda *args: shielded(value, *(outside(a) for a in args))


def _exactly(value: object, kind: type | tuple) -> object:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise Mismatch(value)
    return int(value) if isinstance(value, EnumInt) else value


def _enum(value: object, kind: type[enum.Enum]) -> enum.Enum:
    if isinstance(value, kind):
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise Mismatch(value)
    try:
        return kind(int(value))
    except ValueError as error:
        raise Mismatch(value) from error


def _one_of(value: object, kinds: tuple, loose: bool) -> object:
    if isinstance(value, EnumInt) and type(value.member) in kinds:
        return value.member
    for kind in kinds:
        try:
            return value if kind is type(None) and value is None else taking(value, kind, loose)
        except Mismatch:
            continue
    raise Mismatch(value)


def _is_qobject(kind: object) -> bool:
    return isinstance(kind, type) and hasattr(kind, "metaObject")
