"""Makes names.json.gz from a list of the names seen in a running 3D Slicer.

    python Testing/host/make_names.py slicer-5.13-api.json.gz

Of VTK classes only the name is kept: they are real here. A class whose names include all those of
a class before it is written as that class and what it adds.
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main(source: str) -> None:
    seen = json.loads(gzip.decompress(Path(source).read_bytes()))
    classes = {}
    for module in ("qt", "ctk", "slicer"):
        for name, kept in seen[module].items():
            if isinstance(kept, list) and not name.startswith("vtk"):
                classes[f"{module}.{name}"] = frozenset(kept)
    for name in ("slicer.app", "scriptedEffect", "layoutManager"):
        classes[name] = frozenset(seen[name])
    names = {
        "classes": shortened(classes),
        "modules": {
            module: sorted(seen[module])
            for module in ("qt", "ctk", "slicer", "slicer.util", "slicer.modules")
        },
    }
    text = json.dumps(names, separators=(",", ":"), sort_keys=True).encode()
    (HERE / "names.json.gz").write_bytes(gzip.compress(text, 9, mtime=0))


def shortened(classes: dict[str, frozenset[str]]) -> dict[str, list[str]]:
    """Each class as [the greatest class it contains or "", names that it adds]."""
    short: dict[str, list[str]] = {}
    done: list[tuple[str, frozenset[str]]] = []
    for name, kept in sorted(classes.items(), key=lambda item: (len(item[1]), item[0])):
        base, inherited = next(((b, k) for b, k in reversed(done) if k <= kept), ("", frozenset()))
        short[name] = [base, *sorted(kept - inherited)]
        done.append((name, kept))
    return short


if __name__ == "__main__":
    main(sys.argv[1])
