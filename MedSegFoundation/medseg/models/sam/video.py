"""One step of SAM 2's tracking: look at memories, decode, remember.

The parts are those of transformers' video models, called one by one, because what a policy
chooses to look at cannot be said to their own loop. Some of the parts are private, so a test
compares every step with that loop.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)

from ...image import Array, Mask
from ...memory import Feature
from .attention import MemoryAttention
from .network import MASK_BIAS, MASK_SCALE, Network
from .pixels import fit
from .strokes import Asked

#: Beginning of a note: object score, predicted IoU, sizes of logits (h, w) and of the pointer.
_NOTE = struct.Struct("<2d3I")
#: Side of the grid of means that says what a slice looks like.
LOOK = 4


@dataclass(frozen=True)
class Seen:
    """What the network made of a slice.

    ``logits``: ``(1, 1, h, w)``. ``score``: logit that the object is there. ``iou``: predicted.
    ``pointer``: ``(1, C)``, the object in one vector. ``given``: the user prompted this slice.
    """

    logits: Any
    score: float
    iou: float
    pointer: Any
    given: bool

    @property
    def present(self) -> bool:
        return self.score > 0

    @property
    def confidence(self) -> float:
        """Probability that the object is there."""
        return float(1 / (1 + np.exp(-self.score)))


@dataclass(frozen=True)
class Trace:
    """What is remembered of a slice: its memory tokens and its object pointer."""

    tokens: dict[str, Any]
    pointer: Any


class Steps:
    """The steps, for slices that are already encoded (see `Network.maps`)."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._module = module = network.module
        # Ours needs the rotary encoding of SAM 2, and complex numbers, of which MPS knows few.
        own = network.family.kind == "edgetam" or network.device.type == "mps"
        self._attend = module.memory_attention if own else MemoryAttention(module.memory_attention)
        self._places: Any = None

    @torch.inference_mode()
    def from_mask(self, maps: list[Any], mask: Mask) -> Seen:
        """Take a mask ``(A, B)``, not empty, for the truth about a slice.

        As the authors' predictor does: the pointer comes from the one-mask token, and memory sees
        the mask at the size of logits (transformers takes the best of three, and the full size).
        """
        *fine, coarse = maps
        square, small = self._square(mask), self._network.logits_size
        logits = F.interpolate(
            square * MASK_SCALE + MASK_BIAS, small, mode="bilinear", antialias=True
        )
        hint = {"input_masks": self._module.mask_downsample(square)}
        pointer = self._decoded(fine, coarse, hint, several=False).object_pointer.reshape(1, -1)
        return Seen(logits, MASK_SCALE + MASK_BIAS, 1.0, pointer, True)

    @torch.inference_mode()
    def from_prompts(self, maps: list[Any], asked: Asked, shape: tuple[int, ...]) -> Seen:
        """Decode prompts of a slice ``(A, B)``, without any memory."""
        *fine, coarse = maps
        coarse = coarse + self._module.no_memory_embedding.view(1, -1, 1, 1)
        given = self._network.given(asked, shape)
        count = 0 if given["input_labels"] is None else given["input_labels"].shape[-1]
        count += 2 * len(asked.boxes)
        out = self._decoded(fine, coarse, given, several=count <= 1)
        return self._seen(out, float(out.iou_scores.max()), given=True)

    @torch.inference_mode()
    def follow(
        self,
        maps: list[Any],
        memories: Sequence[tuple[int, Trace]],
        pointers: Sequence[tuple[int, Any]],
        most_pointers: int,
    ) -> Seen:
        """Find the object in a slice with what is remembered of others.

        ``memories``: slices to look at and how many steps ago each was, 0 for prompted ones.
        ``pointers``: object pointers and their steps. ``most_pointers``: how many there could be.
        """
        module = self._module
        given = [(age, trace.tokens) for age, trace in memories]
        tokens, places = module._build_memory_attention_inputs(given, self._network.device)
        more: dict[str, int] = {"num_object_pointer_tokens": 0}
        if self._network.family.kind == "edgetam":
            more["num_spatial_memory_tokens"] = len(tokens)
        *fine, square = maps
        width = square.shape[1]
        objects, when = module._process_object_pointers(
            [age for age, _ in pointers],
            [pointer for _, pointer in pointers],
            most_pointers,
            1,
            width,
            self._network.device,
        )
        if objects is not None:
            tokens, places = [*tokens, objects], [*places, when]
            more["num_object_pointer_tokens"] = objects.shape[0]
        fused = self._attend(
            current_vision_features=_flat(square),
            current_vision_position_embeddings=self._network.position,
            memory=torch.cat(tokens, 0).float(),
            memory_posision_embeddings=torch.cat(places, 0),
            **more,
        )
        coarse = fused.reshape(1, -1, width).transpose(1, 2).reshape(square.shape)
        out = self._decoded(fine, coarse, {}, several=True)
        return self._seen(out, float(out.iou_scores.max()), given=False)

    @torch.inference_mode()
    def remember(self, maps: list[Any], seen: Seen) -> Trace:
        """What later slices may look at."""
        score = torch.tensor([[seen.score]], device=self._network.device)
        # three at once, as where transformers does it: the last bit depends on that
        three = seen.logits.expand(1, 3, -1, -1)
        wide = F.interpolate(three, (self._network.size,) * 2, mode="bilinear")[:, :1]
        features, places = self._module._encode_new_memory(_flat(maps[-1]), wide, score, seen.given)
        if self._network.family.kind == "edgetam":
            return Trace({"maskmem_features": features, "maskmem_pos_enc": places}, seen.pointer)
        if self._places is None:  # the same for every slice, so kept once
            self._places = places
        tokens = {"maskmem_features": features, "maskmem_pos_enc": self._places}
        return Trace(tokens, seen.pointer)

    def note(self, seen: Seen, feature: Feature) -> bytes:
        """A followed slice and what it looks like as bytes, exactly."""
        parts = [m.cpu().numpy().astype("<f4") for m in (seen.logits, seen.pointer)]
        sizes = [*parts[0].shape[-2:], parts[1].size]
        return _NOTE.pack(seen.score, seen.iou, *sizes) + b"".join(
            part.tobytes() for part in (*parts, feature.astype("<f4"))
        )

    def noted(self, note: bytes) -> tuple[Seen, Feature]:
        """Inverse of `note`."""
        score, iou, h, w, width = _NOTE.unpack_from(note)
        values = np.frombuffer(note, "<f4", offset=_NOTE.size)
        logits, pointer, feature = np.split(values, [h * w, h * w + width])
        there = [torch.tensor(part, device=self._network.device) for part in (logits, pointer)]
        seen = Seen(there[0].view(1, 1, h, w), score, iou, there[1].view(1, width), False)
        return seen, feature.astype(np.float32)

    @torch.inference_mode()
    def mask(self, seen: Seen, shape: tuple[int, ...]) -> Mask:
        """The mask ``(A, B)`` in the slice; empty when the object is not there."""
        if not seen.present:
            return np.zeros(shape, bool)
        return self._network.to_slice(seen.logits[0], shape)[0]

    @staticmethod
    def feature(maps: list[Any]) -> Feature:
        """What the slice looks like, as a unit vector."""
        means = F.adaptive_avg_pool2d(maps[-1], LOOK).flatten()
        vector: Array = F.normalize(means, dim=0).cpu().numpy()
        return vector

    def _decoded(
        self, fine: list[Any], coarse: Any, given: dict[str, Any], *, several: bool
    ) -> Any:
        return self._module._single_frame_forward(
            image_embeddings=[*fine, coarse], multimask_output=several, **given
        )

    @staticmethod
    def _seen(out: Any, iou: float, *, given: bool) -> Seen:
        logits = out.pred_masks.reshape(1, 1, *out.pred_masks.shape[-2:])
        score = float(out.object_score_logits)
        return Seen(logits, score, iou, out.object_pointer.reshape(1, -1), given)

    def _square(self, mask: Mask) -> Any:
        """A mask ``(A, B)`` as the network's square of zeros and ones."""
        network = self._network
        whole = torch.from_numpy(mask)[None, None].to(network.device).float()
        a, b = fit(mask.shape, network.family, network.size)
        if (a, b) == mask.shape:
            return whole
        small = F.interpolate(whole, (a, b), mode="bilinear", antialias=True)
        return (small >= 0.5).float()


def _flat(square: Any) -> Any:
    """``(1, C, H, W)`` as ``(H*W, 1, C)``."""
    return square.flatten(2).permute(2, 0, 1)
