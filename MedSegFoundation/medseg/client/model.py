"""What is known here of a model that runs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import RemoteError
from ..image import Image, Mask
from ..model import Capabilities, Progress
from ..prompts import Prompt
from ..protocol.messages import ModelInfo
from ..vocabulary import named


class RemoteModel:
    """Name, version and capabilities; only its server can run it."""

    def __init__(self, info: ModelInfo) -> None:
        self.info = info
        self.name = info.name
        self.version = info.version
        self.weights_hash = info.weights_hash
        self.capabilities = Capabilities(
            prompts=frozenset(info.prompts),
            dimensions=frozenset(info.dimensions),
            start_mask=info.start_mask,
            normalises=True,
            colour=info.colour,
            licence=info.licence,
            weights_licence=info.weights_licence,
            vocabulary=named(info.terms),
        )

    def open(self, image: Image) -> RemoteModel:
        """For `Session`; a `RemoteSession` never asks it to segment."""
        return self

    def segment(
        self, prompts: Sequence[Prompt], start: Mask | None = None, progress: Progress | None = None
    ) -> Mask:
        raise RemoteError(f"Model '{self.name}' runs on a server; use a RemoteSession.")
