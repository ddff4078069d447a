"""The bench runs end to end on one small set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent / "bench" / "bench.py"


def test_quick_run_writes_records_and_tables(shared_data, tmp_path):
    subprocess.run(
        [sys.executable, BENCH, "--quick", "--models", "geodesic-cut,geodesic", "--out", tmp_path],
        check=True,
        capture_output=True,
    )
    records = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    clicks = [r for r in records if r["prompt"] == "clicks"]
    assert {r["model"] for r in clicks} == {"geodesic-cut", "geodesic"}
    assert all(0 < r["dice"][-1] <= 1 for r in clicks)
    assert "| spinal_cord | 1 |" in (tmp_path / "tables.md").read_text()
