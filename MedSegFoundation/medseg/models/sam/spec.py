"""How a user names a model: ``family:weights?option=value&...``.

sam2:facebook/sam2.1-hiera-tiny            a hub id that is in the local cache
medsam2:/models/MedSAM2_latest.pt          a file
sam2:/models/tiny?memory=diverse&size=512  a folder, and options
medsam2                                    the weights that MEDSEG_MEDSAM2 names
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ...errors import ModelError
from ...memory import NAMES as MEMORIES
from .families import FAMILIES, Family, family_of

#: Name -> what it does, for help texts.
OPTIONS = {
    "size": "input pixels, for weights that do not tell (SAM 2 layouts)",
    "window": "LOW,HIGH: intensities shown to the network, in the units of the image",
    "plane": "i, j or k: the slices that points belong to",
    "memory": "policy of propagation: " + ", ".join(MEMORIES),
    "drop": "0 to 1: propagation ends at the first slice with less confidence",
    "direction": "both (towards the middle between two slices) or forward",
    "candidate": "1, 2 or 3: which mask a lone click takes, the one held for best first",
}


@dataclass(frozen=True)
class Spec:
    """A model as it was asked for; ``name`` is what the user wrote."""

    name: str
    family: Family
    weights: str
    size: int | None = None
    window: tuple[float, float] | None = None
    plane: int | None = None
    memory: str = "fifo"
    drop: float = 0.0
    direction: str = "both"
    candidate: int = 1
    licence: str = ""


def names() -> list[str]:
    """What can be used here by name: families whose weights are set, and stored models."""
    found = [f.name for f in FAMILIES.values() if os.environ.get(f.variable)]
    return [*found, *_store_names()]


def is_spec(name: str) -> bool:
    """True when ``name`` may name a model of this package."""
    path = name.partition("?")[0]
    return path.partition(":")[0] in FAMILIES or _stored(path) is not None


def can_track(name: str) -> bool:
    """True when the model of that name can follow an object from slice to slice."""
    path = name.partition("?")[0]
    stored = _stored(path)
    family = FAMILIES.get(path.partition(":")[0]) if stored is None else stored[0]
    return family is not None and family.video


def with_memory(name: str, memory: str) -> str:
    """The same model with another policy; raises `ModelError` when it has no choice of them."""
    if not can_track(name):
        raise ModelError(f"Model '{name}' has no memory policies; MedSAM2 and SAM 2 have.")
    if memory not in MEMORIES:
        raise ModelError(f"'{memory}' is no memory policy; choose one of {', '.join(MEMORIES)}.")
    path, _, query = name.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True)) | {"memory": memory}
    return f"{path}?{urlencode(options, safe=',')}"


def read(name: str) -> Spec:
    """What the name means; raises `ModelError` when there are no weights or an option is wrong."""
    path, _, query = name.partition("?")
    head, _, weights = path.partition(":")
    family, licence = FAMILIES.get(head), ""
    if not weights and (stored := _stored(path)) is not None:
        family, weights, licence = stored
    elif family is not None and not weights:
        weights = os.environ.get(family.variable, "")
    if family is None:
        raise ModelError(f"'{head}' is no family of SAM; choose one of {', '.join(FAMILIES)}.")
    if not weights:
        raise ModelError(
            f"There are no weights for {family.title} here: give a file or folder "
            f"('{family.name}:PATH'), or set {family.variable} to it."
        )
    return Spec(name, family, weights, licence=licence or family.licence, **_options(query))


def _stored(name: str) -> tuple[Family, str, str] | None:
    """Family, path and licence of a model that the store keeps under that name."""
    from ...store import Store  # loads more than a look at names deserves

    store = Store()
    for entry in store.known():
        family = family_of(name, entry.adapter)
        if entry.name == name and family is not None and (copy := store.copy(name)) is not None:
            return family, str(copy.path), entry.weights_licence
    return None


def _store_names() -> list[str]:
    from ...store import Store

    store = Store()
    known = [e.name for e in store.known() if family_of(e.name, e.adapter) is not None]
    return [name for name in known if store.copy(name) is not None]


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in OPTIONS:
            raise ModelError(f"'{name}' is not an option; known are {', '.join(OPTIONS)}.")
        try:
            found[name] = _value(name, value)
        except ValueError:
            raise ModelError(f"'{name}={value}' is not usable: {OPTIONS[name]}.") from None
    return found


def _value(name: str, text: str) -> object:
    if name == "size":
        size = int(text)
        return size if size >= 32 and size % 32 == 0 else _wrong()
    if name == "window":
        low, high = (float(part) for part in text.split(","))
        return (low, high) if low < high else _wrong()
    if name == "plane":
        return "kji".index(text) if len(text) == 1 else _wrong()
    if name == "drop":
        drop = float(text)
        return drop if 0 <= drop <= 1 else _wrong()
    if name == "candidate":
        return int(text) if text in ("1", "2", "3") else _wrong()
    known = MEMORIES if name == "memory" else ("both", "forward")
    return text if text in known else _wrong()


def _wrong() -> object:
    raise ValueError
