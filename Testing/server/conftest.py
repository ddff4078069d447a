"""Fixtures: servers that are started once for a module and always ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving import Api, Running

pytest.importorskip("fastapi", reason="needs medseg[server]")

ANNA, BEN = "anna-token-3f9Qx71LmW", "ben-token-8Zk20sVrTb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Running]:
    """A server for two users, with quick models and little patience."""
    tokens = folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"# who works here\nanna:{ANNA}\nben:{BEN}\n")
    options = ("--token-file", str(tokens), "--patience", "2", "--max-image-gb", "0.01")
    with Running(folder, *options, MEDSEG_TEST_SECONDS="0.3") as running:
        yield running


@pytest.fixture
def anna(server: Running) -> Iterator[Api]:
    with Api(server.url, ANNA) as api:
        yield api


@pytest.fixture
def ben(server: Running) -> Iterator[Api]:
    with Api(server.url, BEN) as api:
        yield api
