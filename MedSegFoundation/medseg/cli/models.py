"""``medseg models``."""

from __future__ import annotations

import argparse
import json

from ..errors import ModelError
from ..model import Model
from ..registry import DEFAULT, find, names
from .terminal import table

HEADER = ("model", "version", "prompts", "images", "colour", "edits masks", "licence", "weights")


def run(options: argparse.Namespace) -> None:
    """List every model on stdout; one that lacks a package says so and stays in the list."""
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
        print("\n".join([table(rows), *missing]))


def _row(model: Model) -> tuple[str, ...]:
    can = model.capabilities
    return (
        model.name + (" (default)" if model.name == DEFAULT else ""),
        model.version,
        ", ".join(sorted(can.prompts)),
        ", ".join(sorted(can.dimensions)),
        "yes" if can.colour else "no",
        "yes" if can.start_mask else "no",
        can.licence,
        can.weights_licence or "none",
    )


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
    }
