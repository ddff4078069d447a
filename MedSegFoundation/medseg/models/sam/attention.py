"""SAM 2's memory attention, worked off so that it costs less than in transformers' own order.

The weights and layers are those of transformers' module, and so are the numbers, up to rounding.
Attention finds a mean of values, and what is remembered has far fewer channels than values made
from it. So the mean is taken of what is remembered, and becomes a value afterwards.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)

#: Attention weights that are held at once.
WEIGHTS = 1 << 21


class MemoryAttention:
    """Stands in for the memory attention of SAM 2 and SAM 3, and is called as that is."""

    def __init__(self, module: Any) -> None:
        self._module = module
        turns = module.rotary_emb(module.layer_norm.weight, module.position_ids)
        self._turns = torch.complex(*(t[0, :, ::2] for t in turns))

    def __call__(
        self,
        current_vision_features: Any,
        memory: Any,
        current_vision_position_embeddings: Any,
        memory_posision_embeddings: Any,
        num_object_pointer_tokens: int = 0,
    ) -> Any:
        """Pixels ``(HW, 1, C)`` with what memory tells of them.

        ``memory``: ``(L, 1, M)``, whole maps of HW tokens, then pointers, which have no place.
        The other two are the places that belong to pixels and memory.
        """
        pixels = (current_vision_features + 0.1 * current_vision_position_embeddings)[:, 0]
        values = memory[:, 0]
        keys = values + memory_posision_embeddings[:, 0]
        for layer in self._module.layers:
            pixels = pixels + self._looked_at_itself(layer.self_attn, layer.layer_norm1(pixels))
            pixels = pixels + self._looked_back(
                layer.cross_attn_image,
                layer.layer_norm2(pixels),
                keys,
                values,
                num_object_pointer_tokens,
            )
            inner = layer.activation(layer.linear1(layer.layer_norm3(pixels)))
            pixels = pixels + layer.linear2(inner)
        return self._module.layer_norm(pixels)[:, None]

    def _looked_at_itself(self, attention: Any, pixels: Any) -> Any:
        heads = attention.num_attention_heads
        query = self._turned(_split(attention.q_proj(pixels), heads))
        key = self._turned(_split(attention.k_proj(pixels), heads))
        value = _split(attention.v_proj(pixels), heads)
        found = F.scaled_dot_product_attention(query[None], key[None], value[None])[0]
        return attention.o_proj(found.transpose(0, 1).flatten(1))

    def _looked_back(
        self, attention: Any, pixels: Any, keys: Any, values: Any, placeless: int
    ) -> Any:
        heads, placed = attention.num_attention_heads, len(keys) - placeless
        query = self._turned(_split(attention.q_proj(pixels), heads)) * attention.scaling
        key = _split(attention.k_proj(keys), heads)
        self._turned(key[:, :placed])
        found = _means(query, key, values)
        weight, bias = _split(attention.v_proj.weight.T, heads), attention.v_proj.bias
        return attention.o_proj((found @ weight).transpose(0, 1).flatten(1) + bias)

    def _turned(self, tokens: Any) -> Any:
        """Whole maps of tokens ``(heads, N * HW, D)``, in place: each turned by where it lies."""
        maps = tokens.unflatten(1, (-1, len(self._turns))).unflatten(-1, (-1, 2))
        torch.view_as_complex(maps).mul_(self._turns)
        return tokens


def _split(tokens: Any, heads: int) -> Any:
    """``(N, C)`` as ``(heads, N, C / heads)``."""
    return tokens.unflatten(-1, (heads, -1)).transpose(0, 1)


def _means(query: Any, key: Any, values: Any) -> Any:
    """Means of values ``(L, M)`` by attention, ``(heads, N, M)``, some queries at a time."""
    rows = max(1, WEIGHTS // (len(query) * key.shape[1]))
    likeness = (part @ key.transpose(1, 2) for part in query.split(rows, 1))
    return torch.cat([torch.softmax(part, -1) @ values for part in likeness], 1)
