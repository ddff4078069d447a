"""SAM 2's memory attention, worked off so that it costs less than in transformers' own order.

The weights and layers are those of transformers' module, and so are the numbers, to the last bit.
Places are turned (rotary encoding) in one step and where they are, with a table made once.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)


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
            normed = layer.layer_norm1(pixels)
            pixels = pixels + self._attended(layer.self_attn, normed, normed, normed)
            normed = layer.layer_norm2(pixels)
            pixels = pixels + self._attended(
                layer.cross_attn_image, normed, keys, values, num_object_pointer_tokens
            )
            inner = layer.activation(layer.linear1(layer.layer_norm3(pixels)))
            pixels = pixels + layer.linear2(inner)
        return self._module.layer_norm(pixels)[:, None]

    def _attended(
        self, attention: Any, pixels: Any, keys: Any, values: Any, placeless: int = 0
    ) -> Any:
        """What pixels ``(HW, C)`` find; the last ``placeless`` keys have no place."""
        heads = (attention.num_attention_heads, -1)
        made = attention.q_proj(pixels), attention.k_proj(keys), attention.v_proj(values)
        query, key, value = (t.unflatten(-1, heads).transpose(0, 1)[None] for t in made)
        self._turn(query)
        self._turn(key[:, :, : len(keys) - placeless])
        found = F.scaled_dot_product_attention(query, key, value)
        return attention.o_proj(found[0].transpose(0, 1).flatten(1))

    def _turn(self, tokens: Any) -> None:
        """Turn whole maps of tokens ``(1, heads, N * HW, D)`` by where they lie, in place."""
        maps = tokens.unflatten(2, (-1, len(self._turns))).unflatten(-1, (-1, 2))
        torch.view_as_complex(maps).mul_(self._turns)
