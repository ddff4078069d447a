"""The learned step and its fusion with the classical one, as decisions."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from . import classical
from .grid import Field
from .interactive import Decide
from .maps import View
from .net import Network

WEIGHTS = Path(__file__).with_name("synthnet.safetensors")
#: How much the network's log odds count beside the classical ones.
SHARE = 0.5


@cache
def load(path: Path = WEIGHTS) -> Network:
    """The network, read once; raises `ModelError` when its file is absent or broken."""
    return Network.load(path)


def learned(network: Network) -> Decide:
    """The network alone."""
    return lambda view: network.logit(view.channels())


def fused(network: Network) -> Decide:
    """A weighted mean of the log odds of the classical step and the network."""

    def decide(view: View) -> Field:
        odds = classical.decide(view)
        return np.asarray((1 - SHARE) * odds + SHARE * network.logit(view.channels()), np.float32)

    return decide
