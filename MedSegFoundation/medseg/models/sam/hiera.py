"""SAM 2's image encoder, worked off so that it costs less than in transformers' own order.

The weights and layers are those of transformers' module, and so are the numbers, up to rounding.
What is the same for every slice is kept (places), what nobody reads is left out (a second set of
attention weights), padding is not multiplied with weights, and maps stay cut into windows from one
block to the next, so that a few windows at a time go through a block in the processor's cache.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)

#: Pixels of a map that go through a block at once.
PART = 4096


def is_hiera(module: Any) -> bool:
    """True for the networks whose image encoder is SAM 2's."""
    backbone = getattr(getattr(module, "vision_encoder", None), "backbone", None)
    return type(backbone).__name__ == "Sam2HieraDetModel"


class Hiera:
    """The encoder of a network of SAM 2, with the first layers of its mask decoder."""

    def __init__(self, module: Any) -> None:
        self._vision, self._decoder = module.vision_encoder, module.mask_decoder
        self._places: Any = None
        self._position: Any = None

    def __call__(self, pixels: Any) -> tuple[list[Any], Any]:
        """Maps ``(1, C, side, side)`` of a slice ``(1, 3, size, size)``, the coarsest last.

        Also the place of each pixel of the coarsest one, ``(side*side, 1, C)``.
        """
        maps = self._neck(self._stages(pixels))
        if self._position is None:
            like = maps[-1]
            place = self._vision.neck.position_encoding(like.shape, like.device, like.dtype)
            self._position = place.flatten(2).permute(2, 0, 1)
        fine = [self._decoder.conv_s0(maps[0]), self._decoder.conv_s1(maps[1])]
        return [*fine, *maps[2:]], self._position

    def _stages(self, pixels: Any) -> list[Any]:
        """The last map ``(1, side, side, C)`` of each stage, the finest first."""
        backbone = self._vision.backbone
        windows = backbone.patch_embed(pixels)
        if self._places is None:
            self._places = backbone._get_pos_embed(windows.shape[1:3])
        windows = windows + self._places
        found = []
        for number, block in enumerate(backbone.blocks):
            windows = _cut(windows, block.window_size)
            parts = windows.split(max(1, PART // windows[0, ..., 0].numel()))
            windows = torch.cat([_through(block, part) for part in parts])
            if number in backbone.stage_ends:
                found.append(_whole(windows))
        return found

    def _neck(self, stages: list[Any]) -> list[Any]:
        """One map ``(1, C, side, side)`` for each level that is asked for, the coarsest last."""
        neck = self._vision.neck
        found: list[Any] = []
        for level, conv in zip(reversed(range(len(stages))), neck.convs, strict=True):
            made = conv(stages[level].permute(0, 3, 1, 2))
            if found and level in neck.fpn_top_down_levels:
                made = made + F.interpolate(found[0], scale_factor=2.0, mode="nearest")
            found.insert(0, made)
        return found[: self._vision.num_feature_levels]


def _through(block: Any, windows: Any) -> Any:
    """Windows ``(N, side, side, C)`` after one of the encoder's blocks.

    A map that the block's windows do not fill comes as one window and goes as one.
    """
    normed = block.layer_norm1(windows)
    rest = windows
    if block.dim != block.dim_out:
        rest = block.proj(normed)
        rest = _pooled(rest) if block.query_stride else rest
    attention, side = block.attn, rest.shape[1]
    weights = attention.qkv(normed)
    lacking = -weights.shape[1] % block.window_size if block.window_size else 0
    if lacking:
        weights = _cut(_padded(weights, lacking, attention.qkv.bias), block.window_size)
    made = _attended(attention, weights)
    if lacking:
        made = _whole(made)[:, :side, :side]
    made = rest + attention.proj(made)
    return made + block.mlp(block.layer_norm2(made))


def _padded(weights: Any, lacking: int, bias: Any) -> Any:
    """Rows and columns more: a pixel of the padding is zero, which leaves the bias."""
    side = weights.shape[1]
    whole = bias.expand(1, side + lacking, side + lacking, -1).clone()
    whole[:, :side, :side] = weights
    return whole


def _attended(attention: Any, weights: Any) -> Any:
    """Queries, keys and values ``(N, side, side, 3*C)`` as what is found for each pixel."""
    query, key, value = weights.chunk(3, -1)
    if attention.query_stride:
        query = _pooled(query)
    heads = (attention.num_attention_heads, -1)
    split = [t.flatten(1, 2).unflatten(-1, heads).transpose(1, 2) for t in (query, key, value)]
    found = F.scaled_dot_product_attention(*split)
    return found.transpose(1, 2).reshape(query.shape)


def _cut(windows: Any, side: int) -> Any:
    """Windows of another side, if they fill the map; else, and for a side of 0, one window."""
    if windows.shape[1] == side:
        return windows
    whole = _whole(windows)
    if not side or whole.shape[1] % side:
        return whole
    cut = whole.unflatten(2, (-1, side)).unflatten(1, (-1, side)).squeeze(0)
    return cut.transpose(1, 2).flatten(0, 1)


def _whole(windows: Any) -> Any:
    """Windows ``(N, side, side, C)`` of a square map as that map, one window."""
    many, side, _, width = windows.shape
    along = math.isqrt(many)
    rows = windows.view(along, along, side, side, width).transpose(1, 2)
    return rows.reshape(1, along * side, along * side, width)


def _pooled(windows: Any) -> Any:
    """The greatest of every two by two pixels."""
    rows = torch.maximum(windows[:, ::2], windows[:, 1::2])
    return torch.maximum(rows[:, :, ::2], rows[:, :, 1::2])
