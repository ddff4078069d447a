"""Records kept between runs: one JSON object a line, the last one of a kind counts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from scoring import Record


def load(path: Path) -> list[Record]:
    """The newest record of each model, set, case and prompt."""
    if not path.exists():
        return []
    records = [Record(**json.loads(line)) for line in path.read_text().splitlines() if line]
    return list({record.key: record for record in records}.values())


def append(path: Path, record: Record) -> None:
    """Add a record at once, so that a run that stops loses nothing."""
    with path.open("a") as file:
        file.write(json.dumps(asdict(record)) + "\n")
