"""The embedded model beside classical baselines, on the same objects with the same protocol.

    python Testing/bench/bench.py                                 everything (about an hour)
    python Testing/bench/bench.py --sets spinal_cord --clicks 3   one set
    python Testing/bench/bench.py --models geodesic-cut           only ours, others as kept
    python Testing/bench/bench.py --models none --write-docs      only the tables, into the docs

Writes OUT/results.jsonl and OUT/tables.md; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import baselines
import results
import tables
from cases import SETS, data_folder
from medseg import registry
from medseg.errors import MedsegError
from medseg.model import Model
from scoring import score, speed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "accuracy.md"
#: Side of the made-up cube that the time of a click is measured on.
CUBE = 128
#: Too slow to wait for: many minutes an object, and its clicks say little there.
TOO_SLOW = {("random-walker", "mni152")}


def main() -> int:
    options = arguments()
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "results.jsonl"
    for model in models(options.models):
        if options.cube:
            record = speed(model, options.cube, 5)
            results.append(path, record)
            say(f"{model.name}: {options.cube} cubed, {max(record.seconds[1:]):.2f} s a click")
        run(model, options.sets, options.clicks, path)
    text = tables.report(results.load(path), registry.DEFAULT)
    (options.out / "tables.md").write_text(text)
    print(text)
    if options.write_docs:
        tables.into(DOCS, text)
    return 0


def run(model: Model, sets: list[str], clicks: int, path: Path) -> None:
    """Score a model on all cases of some sets."""
    for name in sets:
        if (model.name, name) in TOO_SLOW:
            say(f"{model.name}: {name} is left out, it takes too long")
            continue
        for case in SETS[name](data_folder()):
            try:
                for record in score(model, case, clicks):
                    results.append(path, record)
                    say(f"{model.name}: {name}, {case.name}, {record.prompt}: {told(record)}")
            except MedsegError as error:
                say(f"{model.name}: {name}, {case.name}: {error}")


def told(record: results.Record) -> str:
    return " ".join(f"{d:.2f}" for d in record.dice)


def models(names: list[str]) -> list[Model]:
    """Models by name: baselines, and what the registry knows; absent baselines are told."""
    found: list[Model] = []
    for name in names:
        if name not in baselines.BASELINES:
            found.append(registry.find(name))
        elif reason := baselines.missing(name):
            say(reason)
        else:
            found.append(baselines.find(name))
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = [registry.DEFAULT, *baselines.BASELINES]
    parser.add_argument("--sets", default=",".join(SETS), help="sets, separated by commas")
    parser.add_argument("--models", default=",".join(every), help="models, or none")
    parser.add_argument("--clicks", type=int, default=10)
    parser.add_argument("--cube", type=int, default=CUBE, help="side of the cube for time; 0: none")
    parser.add_argument("--out", type=Path, default=ROOT / "bench")
    parser.add_argument("--quick", action="store_true", help="one small set, two clicks")
    parser.add_argument("--write-docs", action="store_true", help="put the tables into the docs")
    options = parser.parse_args()
    options.sets = listed(options.sets)
    options.models = [] if options.models == "none" else listed(options.models)
    if options.quick:
        options.sets, options.clicks, options.cube = ["spinal_cord"], 2, 0
    if unknown := [name for name in options.sets if name not in SETS]:
        parser.error(f"there is no set {unknown[0]}; known are {', '.join(SETS)}")
    return options


def listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
