"""``medseg models``."""

from __future__ import annotations

import argparse
import json

from ..errors import ModelError
from ..model import Model
from ..protocol.messages import encode
from ..registry import DEFAULT, find, names
from . import remote, store
from .terminal import table

HEADER = ("model", "version", "prompts", "images", "colour", "edits masks", "licence", "weights")


def run(options: argparse.Namespace) -> None:
    """List every model on stdout; one that lacks a package says so and stays in the list."""
    if options.action is not None:
        store.run(options)
        return
    if options.server is not None:
        _run_there(options)
        return
    rows: list[tuple[str, ...]] = [HEADER]
    missing = []
    for name in names():
        try:
            model = find(name)
        except ModelError as error:
            missing.append(f"{name}: {error}")
            if options.json:
                print(json.dumps({"name": name, "error": str(error)}))
            continue
        if options.json:
            print(json.dumps(_facts(model)))
        rows.append(_row(model))
    if not options.json:
        print("\n".join([table(rows), *missing, *store.stored_lines()]))


def _run_there(options: argparse.Namespace) -> None:
    """What a server offers; its default model is the first."""
    from ..client.model import RemoteModel  # loads requests

    with remote.connected(options) as backend:
        welcome = backend.welcome()
    default = welcome.default_model
    models = sorted(welcome.models, key=lambda info: info.name != default)
    if options.json:
        for info in models:
            print(json.dumps(encode(info) | {"default": info.name == default}))
        return
    rows = [HEADER, *(_row(RemoteModel(info), default) for info in models if not info.missing)]
    missing = [f"{info.name}: {info.missing}" for info in models if info.missing]
    print("\n".join([table(rows), *missing]))


def _row(model: Model, default: str = DEFAULT) -> tuple[str, ...]:
    can = model.capabilities
    return (
        model.name + (" (default)" if model.name == default else ""),
        model.version,
        ", ".join(_kind(kind, model) for kind in sorted(can.prompts)),
        ", ".join(sorted(can.dimensions)),
        "yes" if can.colour else "no",
        "yes" if can.start_mask else "no",
        can.licence,
        can.weights_licence or "none",
    )


def _kind(kind: str, model: Model) -> str:
    """A prompt kind; for text with the number of words the model knows."""
    terms = len(model.capabilities.vocabulary)
    return f"{kind} ({terms} terms)" if kind == "text" and terms else kind


def _facts(model: Model) -> dict[str, object]:
    can = model.capabilities
    return {
        "name": model.name,
        "default": model.name == DEFAULT,
        "version": model.version,
        "prompts": sorted(can.prompts),
        "dimensions": sorted(can.dimensions),
        "colour": can.colour,
        "start_mask": can.start_mask,
        "normalises": can.normalises,
        "licence": can.licence,
        "weights_licence": can.weights_licence,
        "weights_sha256": model.weights_hash,
        "terms": [term.name for term in can.vocabulary],
    }
