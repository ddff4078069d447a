"""SAM and SAM 2 in a session: prompts in a slice make the mask of that slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ...errors import PromptError
from ...image import Array, Image, Mask
from ...model import Capabilities, Progress
from ...prompts import Prompt
from ...slices import Stack
from .features import Ahead
from .pixels import to_bytes, window_of
from .planes import GridPlane, Plane, natural_axis, planes_of
from .spec import Spec, read
from .strokes import asked
from .weights import check_packages, locate, sha256, weights_file

if TYPE_CHECKING:
    from .network import Candidate, Network

#: Slices on either side of the last one that are encoded ahead.
NEIGHBOURS = 2
#: Seconds to encode, for each byte of the weights and each pixel; memory beside the weights.
#: (SAM 2.1 tiny at 512 pixels takes 0.6 s, SAM ViT-B at 1024 takes 10.8 s.)
SECONDS, BYTES_A_PIXEL = 2e-14, 900
#: Written into records: changes whenever masks may change.
VERSION = "1"


def find_sam(name: str, device: str = "auto") -> SamModelAdapter:
    """The model that a spec names (see `medseg.models.sam.spec`).

    The weights are loaded when the first image is opened. Raises `ModelError` when there are none
    or a package is absent.
    """
    spec = read(name)
    check_packages(spec.family)
    return SamModelAdapter(spec, device)


class SamModelAdapter:
    """A network of the SAM family as a `medseg.model.Model`."""

    version = VERSION

    def __init__(self, spec: Spec, device: str = "auto") -> None:
        self.name = spec.name
        self.spec = spec
        self._device = device
        self._file = weights_file(locate(spec.weights, spec.family), spec.family)
        self.capabilities = Capabilities(
            prompts=spec.family.prompts,
            dimensions=frozenset({"2d", "3d", "2d+t"}),
            start_mask=True,
            normalises=True,
            colour=True,
            licence="Apache-2.0",
            weights_licence=spec.licence,
        )

    @property
    def weights_hash(self) -> str:
        return sha256(self._file)

    def open(self, image: Image) -> OpenSam:
        """Load the network; slices are encoded when prompts need them.

        Raises `ModelError` when the weights do not fit (see `medseg.models.sam.weights`).
        """
        from .network import network

        return OpenSam(image, self.spec, network(self.spec, self._device))

    def estimate(self, shape: tuple[int, int, int]) -> tuple[float, float, int]:
        """See `medseg.service.estimate`; on two cores of a CPU, for a slice not yet encoded."""
        family = self.spec.family
        weights = self._file.stat().st_size
        pixels = (self.spec.size or family.size) ** 2
        seconds = weights * pixels * SECONDS
        return 0.0, seconds, int(3 * weights + BYTES_A_PIXEL * pixels)


class OpenSam:
    """An image and the network: each slice with prompts is decoded, the others stay as they are."""

    def __init__(self, image: Image, spec: Spec, network: Network) -> None:
        self._image, self._spec, self._network = image, spec, network
        self._window = spec.window or window_of(Stack(image, 0))
        self._axis = natural_axis(image) if spec.plane is None else spec.plane
        self.ahead = Ahead(network.prepare)

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        """See `medseg.model.OpenImage`. Beyond the prompted slices it is ``start``, or empty."""
        result = np.zeros(self._image.shape, bool) if start is None else start.copy()
        planes = planes_of(self._image, prompts, self._axis)
        for done, (plane, listed) in enumerate(planes):
            found = self._candidates(plane, [prompts[n] for n in listed], start)
            plane.lift(self._taken(found) if found else np.zeros(plane.shape, bool), result)
            if progress:
                progress((done + 1) / len(planes))
        if planes:
            self.look_ahead(planes[-1][0])
        return result

    def _taken(self, found: Sequence[Candidate]) -> Mask:
        return found[min(self._spec.candidate, len(found)) - 1].mask

    def candidates(self, prompts: Sequence[Prompt], start: Mask | None = None) -> list[Candidate]:
        """All masks ``(A, B)`` for prompts of one slice, the one that is held for best first.

        `segment` takes that one, or the one that the model's option ``candidate`` names.
        """
        planes = planes_of(self._image, prompts, self._axis)
        if len(planes) != 1:
            raise PromptError("Candidates are of one slice; give the prompts of one slice only.")
        return self._candidates(planes[0][0], prompts, start)

    def look_ahead(self, plane: Plane) -> None:
        """Encode the neighbours of a slice in the background."""
        if not isinstance(plane, GridPlane):
            return
        count = self._image.shape[plane.axis]
        near = [plane.index + side * n for n in range(1, NEIGHBOURS + 1) for side in (1, -1)]
        self.ahead.want([self._slice(plane.axis, n) for n in near if 0 <= n < count])

    def _candidates(
        self, plane: Plane, prompts: Sequence[Prompt], start: Mask | None
    ) -> list[Candidate]:
        given = asked(
            plane, prompts, self._spec.family, None if start is None else plane.cut(start)
        )
        if given.hopeless:
            return []
        return self._network.candidates(self._shown(plane), given)

    def _slice(self, axis: int, index: int) -> Callable[[], Array]:
        return lambda: self._shown(GridPlane(self._image, axis, index))

    def _shown(self, plane: Plane) -> Array:
        return to_bytes(plane.pixels(), self._window)
