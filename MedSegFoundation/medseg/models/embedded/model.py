"""The embedded models as `medseg.model.Model`: the classical step, the network, and both."""

from __future__ import annotations

from ...image import Image
from ...model import Capabilities
from ...vocabulary import CT_TERMS
from . import network, sizes
from .interactive import Decide, Interactive, Search
from .text import Worded

_CAPABILITIES = Capabilities(
    prompts=frozenset({"point", "box", "scribble", "lasso", "text"}),
    dimensions=frozenset({"2d", "3d", "2d+t"}),
    start_mask=True,
    normalises=True,
    colour=False,
    licence="Apache-2.0",
    vocabulary=CT_TERMS,
)


class Embedded:
    """A way of deciding, with a name; see `interactive` for the rest."""

    capabilities = _CAPABILITIES

    def __init__(
        self,
        name: str,
        version: str,
        decide: Decide,
        weights_hash: str | None = None,
        search: Search | None = None,
    ) -> None:
        self.name = name
        self.version = version
        self.weights_hash = weights_hash
        self._decide = decide
        self._search = search

    def open(self, image: Image) -> Worded:
        """See `medseg.model.Model`; raises `InputError` for an image without any contrast."""
        return Worded(image, Interactive(image, self._decide, self._search), self.name)


def geodesic_cut(device: str) -> Embedded:
    """The classical step: numpy, scipy and SimpleITK only, CPU whatever ``device``.

    Networks of a few kB choose the size of a first click and what later clicks change; they come
    with the code, as the constants of the step do.
    """
    return Embedded("geodesic-cut", "4", sizes.decide, search=sizes.search)


def synthnet(device: str) -> Embedded:
    """The small network trained on synthetic volumes; numpy alone is enough, torch is quicker."""
    net = network.load()
    return Embedded("synthnet", f"2+{net.sha256[:12]}", network.learned(net), net.sha256)


def fusion(device: str) -> Embedded:
    """Classical step and network together."""
    net = network.load()
    return Embedded("fusion", f"2+{net.sha256[:12]}", network.fused(net), net.sha256)
