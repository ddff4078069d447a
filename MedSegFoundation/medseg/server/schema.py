"""The messages as JSON schemas, with exactly what `medseg.protocol.messages.decode` accepts."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from inspect import getdoc
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def reference(kind: type[Any]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def message_schema(kind: type[Any]) -> dict[str, Any]:
    """The schema of one message; fields that may be None may be left out, as `encode` does."""
    hints = get_type_hints(kind)
    return {
        "type": "object",
        "description": getdoc(kind) or "",
        "properties": {f.name: _schema(hints[f.name]) for f in fields(kind)},
        "required": [f.name for f in fields(kind) if _is_required(f, hints[f.name])],
    }


def _is_required(one: Field[Any], hint: Any) -> bool:
    given = one.default is not MISSING or one.default_factory is not MISSING
    return not given and type(None) not in get_args(hint)


def _schema(hint: Any) -> dict[str, Any]:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        one, *_ = (a for a in get_args(hint) if a is not type(None))
        return {"anyOf": [_schema(one), {"type": "null"}]}
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(hint))}
    if origin is list:
        return {"type": "array", "items": _schema(get_args(hint)[0])}
    if origin is dict:
        return {"type": "object"}
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    return reference(hint)
