"""One loaded network: encode a slice, decode prompts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)

from ...errors import ModelError
from ...image import Array, Mask
from .families import Family
from .features import FeatureCache, Maps, key_of
from .hiera import Hiera, is_hiera
from .pixels import fit, to_input, to_network
from .spec import Spec
from .strokes import Asked
from .weights import load

#: Logits that stand for the pixels of a given mask, as SAM 2 takes a mask for a result.
MASK_SCALE, MASK_BIAS = 20.0, -10.0
#: Networks kept loaded.
KEPT = 2


@dataclass(frozen=True)
class Candidate:
    """A mask ``(A, B)`` of a slice and the IoU that the network predicts for it."""

    mask: Mask
    iou: float


class Network:
    """A network on a device, with what it has encoded. Safe for several threads."""

    def __init__(self, module: Any, sha256: str, family: Family, device: str = "cpu") -> None:
        self.module = module.to(device)
        self.sha256, self.family = sha256, family
        self.device = torch.device(device)
        vision = module.config.vision_config
        self.size = int(vision.image_size if family.kind == "sam" else module.image_size)
        self.cache = FeatureCache()
        self._hiera = Hiera(self.module) if is_hiera(self.module) else None
        self._turn = threading.Lock()
        self._position: Any = None
        self._waiting = 0

    @property
    def logits_size(self) -> tuple[int, int]:
        """Pixels of the logits that the decoder makes, and takes as a mask prompt."""
        found: tuple[int, int] = getattr(
            self.module.prompt_encoder, "mask_input_size", (self.size // 4,) * 2
        )
        return found

    def knows(self, rgb: Array) -> bool:
        """True when this slice needs no encoding."""
        return key_of(rgb) in self.cache

    def maps(self, rgb: Array) -> list[Any]:
        """Encoded slice ``(A, B, 3)`` uint8, as tensors ``(1, C, H, W)``, the coarsest last.

        Encoded only if it is not known, and kept exactly, so that a mask does not depend on what
        happened to be known.
        """
        key = key_of(rgb)
        self._waiting += 1
        try:
            return self._tensors(self._found(key, rgb))
        finally:
            self._waiting -= 1

    def prepare(self, rgb: Array) -> None:
        """Encode a slice for later; steps back while somebody waits for another one."""
        if not self._waiting:
            self._found(key_of(rgb), rgb)

    def forget(self) -> None:
        """Drop what is encoded."""
        self.cache.clear()

    @torch.inference_mode()
    def candidates(self, rgb: Array, asked: Asked) -> list[Candidate]:
        """Masks ``(A, B)`` for the prompts of a slice, the best first.

        Three for a single point, which may mean a part or the whole; else one.
        """
        shape = rgb.shape[:2]
        several = len(asked.points) == 1 and not len(asked.boxes) and asked.mask is None
        several = several and "point" in self.family.prompts
        logits, ious = self._decode(self.maps(rgb), asked, shape, several)
        flats = self.to_slice(logits, shape)
        order = np.argsort(-ious, kind="stable")
        return [Candidate(flats[n], float(ious[n])) for n in order]

    def _found(self, key: bytes, rgb: Array) -> Maps:
        maps = self.cache.get(key)
        if maps is None:
            with self._turn:
                maps = self.cache.get(key)  # perhaps somebody else has just made it
                if maps is None:
                    maps = self._encoded(rgb)
                    self.cache.put(key, maps)
        return maps

    @torch.inference_mode()
    def _encoded(self, rgb: Array) -> Maps:
        pixels = to_input(rgb, self.family, self.size).to(self.device)
        if self.family.kind == "sam":
            made = [self.module.get_image_embeddings(pixels)]
        elif self._hiera is not None:
            made, self._position = self._hiera(pixels)
        else:
            out = self.module.get_image_features(pixels, return_dict=True)
            made = self._squares(out.fpn_hidden_states)
            self._position = out.fpn_position_encoding[-1]
        return [np.ascontiguousarray(m.cpu().numpy()) for m in made]

    def _tensors(self, maps: Maps) -> list[Any]:
        return [torch.from_numpy(m).to(self.device) for m in maps]

    def _decode(
        self, maps: list[Any], asked: Asked, shape: tuple[int, ...], several: bool
    ) -> tuple[Any, Array]:
        """Logits ``(M, h, w)`` and predicted IoUs ``(M,)``; boxes are united."""
        given = self.given(asked, shape)
        if self.family.kind == "sam":
            out = self.module(image_embeddings=maps[0], multimask_output=several, **given)
            logits, ious = out.pred_masks[0], out.iou_scores[0]
        else:
            logits, ious = self._decode_sam2(maps, given, several)
        return logits.amax(0), ious.mean(0).cpu().numpy()

    def _decode_sam2(self, maps: list[Any], given: dict[str, Any], several: bool) -> Any:
        module = self.module
        *fine, coarse = maps
        coarse = coarse + module.no_memory_embedding.view(1, -1, 1, 1)
        sparse, dense = module.prompt_encoder(**given)
        logits, ious, _, _ = module.mask_decoder(
            image_embeddings=coarse,
            image_positional_embeddings=module.get_image_wide_positional_embeddings(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=several,
            high_resolution_features=fine,
        )
        return logits[0], ious[0]

    def _squares(self, maps: list[Any]) -> list[Any]:
        """Maps of SAM 2, ``(H*W, 1, C)`` each, as ``(1, C, H, W)``."""
        sizes = self.module.backbone_feature_sizes
        return [
            m.permute(1, 2, 0).view(1, m.shape[2], *s) for m, s in zip(maps, sizes, strict=True)
        ]

    @property
    def position(self) -> Any:
        """Place of each pixel of the coarsest map ``(H*W, 1, C)``, once something is encoded."""
        return self._position

    def given(self, asked: Asked, shape: tuple[int, ...]) -> dict[str, Any]:
        """Prompts as the networks take them: points with labels, boxes, mask logits."""
        found: dict[str, Any] = dict.fromkeys(
            ("input_points", "input_labels", "input_boxes", "input_masks")
        )
        if len(asked.boxes):
            corners = self._placed(asked.boxes.reshape(-1, 2), shape)
            found["input_boxes"] = corners.view(1, -1, 4)
        if len(asked.points):
            count = max(1, len(asked.boxes))
            labels = torch.tensor(asked.labels, dtype=torch.int32, device=self.device)
            found["input_points"] = self._placed(asked.points, shape).expand(1, count, -1, -1)
            found["input_labels"] = labels.expand(1, count, -1)
        if asked.mask is not None:
            found["input_masks"] = self._mask_logits(asked.mask)
            if not len(asked.boxes) and not len(asked.points):  # nothing but a mask: an empty point
                found["input_points"] = torch.zeros(1, 1, 1, 2, device=self.device)
                found["input_labels"] = -torch.ones(1, 1, 1, dtype=torch.int32, device=self.device)
        return found

    def _placed(self, positions: Array, shape: tuple[int, ...]) -> Any:
        placed = to_network(positions, shape, self.family, self.size)
        return torch.from_numpy(placed).float().to(self.device)

    def _mask_logits(self, mask: Mask) -> Any:
        a, b = fit(mask.shape, self.family, self.size)
        whole = torch.from_numpy(mask)[None, None].to(self.device).float()
        square = F.interpolate(whole, (a, b), mode="bilinear", antialias=True)
        square = F.pad(square, (0, self.size - b, 0, self.size - a)) * MASK_SCALE + MASK_BIAS
        return F.interpolate(square, self.logits_size, mode="bilinear", antialias=True)

    def to_slice(self, logits: Any, shape: tuple[int, ...]) -> list[Mask]:
        """Logits ``(M, h, w)`` as masks ``(A, B)``."""
        values = logits[None].float()
        if self.family.likely:
            values = values.sigmoid() - 0.5
        if self.family.padded:
            a, b = fit(shape, self.family, self.size)
            values = F.interpolate(values, (self.size,) * 2, mode="bilinear")[..., :a, :b]
        found = F.interpolate(values, shape, mode="bilinear", align_corners=False) > 0
        return [m.cpu().numpy() for m in found[0]]


_loaded: OrderedDict[tuple[str, ...], Network] = OrderedDict()
_lock = threading.Lock()


def network(spec: Spec, device: str = "auto") -> Network:
    """The network of a spec, loaded once and kept; raises `ModelError`."""
    chosen = _device(device)
    path = Path(spec.weights).expanduser()
    stamp = str(path.stat().st_mtime_ns) if path.exists() else ""
    key = (spec.family.name, spec.weights, stamp, str(spec.size), chosen)
    with _lock:
        if key not in _loaded:
            made = load(spec.weights, spec.family, spec.size)
            _loaded[key] = Network(made.network, made.sha256, spec.family, chosen)
        _loaded.move_to_end(key)
        while len(_loaded) > KEPT:
            _loaded.popitem(last=False)
        return _loaded[key]


def _device(name: str) -> str:
    there = {"cpu": True, "cuda": torch.cuda.is_available()}
    there["mps"] = torch.backends.mps.is_available()
    if name == "auto":
        return "cuda" if there["cuda"] else "cpu"
    if not there.get(name):
        raise ModelError(f"There is no device '{name}' here; choose cpu or auto.")
    return name
