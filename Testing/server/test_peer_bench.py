"""The benchmark beside nnInteractive runs (our side of it) and counts what it says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs medseg[server]")
sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
import peer


def test_our_side_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "PROMPTS", 3)
    monkeypatch.setattr(peer, "UPLOADS", 2)
    ct = np.random.default_rng(0).integers(-900, 900, (96, 100, 104)).astype(np.int16)
    found = peer.measured(peer.Ours, peer.our_server, ct)
    assert len(found.sent) == len(found.ready) == 2
    assert len(found.prompts) == len(found.up) == len(found.down) == 3
    assert all(0 < sent < ready for sent, ready in zip(found.sent, found.ready, strict=True))
    assert ct.nbytes / 2 < found.upload_bytes < 1.1 * ct.nbytes  # noise hardly packs
    assert min(found.up) > 100
    assert min(found.down) > 100
    assert "| medseg |" in "\n".join(peer.table("noise", ct, {"medseg": found}))
