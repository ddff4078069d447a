"""Finds models by name: the built-in ones, and plug-ins announced as entry points.

A plug-in package adds, in its own metadata, ``[project.entry-points."medseg.models"]`` with
``name = "package.module:factory"``; the factory takes ``device`` and returns a `Model`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points

from .errors import ModelError
from .model import Model
from .models.sam import spec as sam

Factory = Callable[[str], Model]

#: Name -> "module:factory" of the models that come with the package.
BUILT_IN = {
    "geodesic-cut": "medseg.models.embedded.model:geodesic_cut",
    "synthnet": "medseg.models.embedded.model:synthnet",
    "fusion": "medseg.models.embedded.model:fusion",
    "nninteractive": "medseg.models.nninteractive:nninteractive",
}
#: What a session uses when nobody names a model (the model card says why).
DEFAULT = "geodesic-cut"
DEVICES = ("auto", "cpu", "cuda", "mps")


def names() -> list[str]:
    """All model names that `find` knows, the default first."""
    plugins = {e.name for e in entry_points(group="medseg.models")}
    return [DEFAULT, *sorted((set(BUILT_IN) | plugins | set(sam.names())) - {DEFAULT})]


def find(name: str = "default", device: str = "auto") -> Model:
    """The model of that name, ready to open images.

    A name may also be a family of SAM with the path of its weights (see `medseg.models.sam.spec`).
    ``device``: "auto", "cpu", "cuda" or "mps". Raises `ModelError` when the name or device is
    unknown or the model lacks a package.
    """
    name = DEFAULT if name == "default" else name
    if device not in DEVICES:
        raise ModelError(f"'{device}' is not a device; choose one of {', '.join(DEVICES)}.")
    if name in BUILT_IN:
        module, factory = BUILT_IN[name].split(":")
        return _built_in(module, factory)(device)
    if sam.is_spec(name):
        found: Model = import_module("medseg.models.sam.model").find_sam(name, device)
        return found
    for entry in entry_points(group="medseg.models"):
        if entry.name == name:
            plugin: Factory = entry.load()
            return plugin(device)
    raise ModelError(f"There is no model '{name}'; choose one of {', '.join(names())}.")


def _built_in(module: str, factory: str) -> Factory:
    found: Factory = getattr(import_module(module), factory)
    return found
