"""The reference nnInteractive server with a network of no weights: for benchmarks and tests.

Runs where the package `nninteractive` is (with torch); nothing of medseg is imported:

    python nninteractive_reference.py --network ball --patch 192

It prints one line with its port. Everything but the network is the real thing: the application
that `make_app` builds, its sessions, undo, serialisation.
"""

from __future__ import annotations

import argparse
import socket
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import uvicorn
from nnInteractive.inference.server.app import make_app
from nnInteractive.interaction.point import PointInteraction_stub

#: Image, and the interaction channels of the session's built-in default.
CHANNELS = 8
BALL_VOXELS = 40


class Ball(torch.nn.Module):
    """Costs nothing: always the same ball, as a finished label patch (the argmax is left out)."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        axis = np.arange(patch) - patch // 2
        squared = axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2
        self.labels = torch.from_numpy((squared <= BALL_VOXELS**2).astype(np.uint8))

    def forward(self, patch: torch.Tensor) -> list[Any]:
        return [SimpleNamespace(argmax=lambda axis: self.labels)]


def random_network() -> torch.nn.Module:
    """One convolution with fixed random weights: a mask without meaning that follows its input."""
    torch.manual_seed(3)
    network = torch.nn.Conv3d(CHANNELS, 2, 5, padding=2)
    torch.nn.init.zeros_(network.bias)
    return network


def artifacts(network: torch.nn.Module, patch: int) -> dict[str, Any]:
    """What the server would have read from a model folder."""
    return {
        "capability_content": {},
        "point_interaction": PointInteraction_stub(4, True),
        "preferred_scribble_thickness": [2, 2, 2],
        "interaction_decay": 0.98,
        "pad_mode_data": "constant",
        "network": network.eval(),
        "plans_manager": None,
        "configuration_manager": SimpleNamespace(patch_size=[patch] * 3),
        "dataset_json": {},
        "trainer_name": "none",
        "label_manager": None,
        "license": "no weights",
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=("ball", "random"), default="random")
    parser.add_argument("--patch", type=int, default=32)
    parser.add_argument("--autozoom", action="store_true")
    parser.add_argument("--key")
    parser.add_argument("--sessions", type=int, default=4)
    given = parser.parse_args()
    network = Ball(given.patch) if given.network == "ball" else random_network()
    app = make_app(
        artifacts(network, given.patch),
        torch.device("cpu"),
        max_sessions=given.sessions,
        do_autozoom=given.autozoom,
        api_key=given.key,
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(f"port {listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
