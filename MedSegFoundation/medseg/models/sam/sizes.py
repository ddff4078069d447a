"""Sizes of a network, read from the shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from ...errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]

#: Hidden size and number of blocks of a Hiera encoder -> what its shapes do not tell
#: (official configurations of SAM 2 and 2.1).
_HIERA: dict[tuple[int, int], dict[str, Any]] = {
    (96, 12): {"global_attention_blocks": [5, 7, 9]},
    (96, 16): {"global_attention_blocks": [7, 10, 13]},
    (112, 24): {
        "global_attention_blocks": [12, 16, 20],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
    },
    (144, 48): {
        "global_attention_blocks": [23, 33, 43],
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "window_size_per_stage": [8, 4, 16, 8],
    },
}


def sam_config(shapes: Shapes) -> Any:
    """`SamConfig` of a SAM checkpoint; ``shapes`` under transformers' keys."""
    from transformers import (
        SamConfig,
        SamMaskDecoderConfig,
        SamPromptEncoderConfig,
        SamVisionConfig,
    )

    width = shapes["mask_decoder.iou_token.weight"][1]
    _, grid, _, hidden = shapes["vision_encoder.pos_embed"]
    patch = shapes["vision_encoder.patch_embed.projection.weight"][-1]
    layers = 1 + max(_numbers(shapes, r"vision_encoder\.layers\.(\d+)\."))
    reach = [shapes[f"vision_encoder.layers.{n}.attn.rel_pos_h"] for n in range(layers)]
    windows = {(length + 1) // 2 for length, _ in reach} - {grid}
    vision = SamVisionConfig(
        hidden_size=hidden,
        output_channels=width,
        num_pos_feats=width // 2,
        num_hidden_layers=layers,
        num_attention_heads=hidden // reach[0][1],
        image_size=grid * patch,
        patch_size=patch,
        mlp_dim=shapes["vision_encoder.layers.0.mlp.lin1.weight"][0],
        window_size=windows.pop() if windows else 0,
        global_attn_indexes=[n for n, (length, _) in enumerate(reach) if (length + 1) // 2 == grid],
    )
    prompts = SamPromptEncoderConfig(
        hidden_size=width,
        image_size=grid * patch,
        patch_size=patch,
        image_embedding_size=grid,
        mask_input_channels=shapes["prompt_encoder.mask_embed.conv3.weight"][1],
    )
    decoder = SamMaskDecoderConfig(
        hidden_size=width,
        mlp_dim=shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
        iou_head_hidden_dim=shapes["mask_decoder.iou_prediction_head.proj_in.weight"][0],
    )
    return SamConfig(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )


def sam2_config(shapes: Shapes, size: int) -> Any:
    """`Sam2VideoConfig` of a SAM 2 or 2.1 checkpoint for images of ``size`` pixels.

    Raises `ModelError` for an encoder of a size that no published checkpoint has.
    """
    from transformers import Sam2HieraDetConfig, Sam2VisionConfig

    hidden = shapes["vision_encoder.backbone.patch_embed.projection.weight"][0]
    count = 1 + max(_numbers(shapes, r"vision_encoder\.backbone\.blocks\.(\d+)\."))
    if (hidden, count) not in _HIERA:
        raise ModelError(
            f"This SAM 2 encoder (width {hidden}, {count} blocks) is none of the published sizes; "
            "give it as a folder in the format of transformers, with its config.json."
        )
    starts = [0, *_numbers(shapes, r"vision_encoder\.backbone\.blocks\.(\d+)\.proj\.weight"), count]
    widths = [hidden * 2**n for n in range(4)]
    height, width = shapes["vision_encoder.backbone.pos_embed"][-2:]
    backbone = Sam2HieraDetConfig(
        hidden_size=hidden,
        image_size=[size, size],
        blocks_per_stage=[b - a for a, b in pairwise(starts)],
        embed_dim_per_stage=widths,
        window_positional_embedding_background_size=[height, width],
        **_HIERA[hidden, count],
    )
    vision = Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths[::-1])
    return fitted(_video_config(shapes, vision), size)


def fitted(config: Any, size: int) -> Any:
    """The same `Sam2VideoConfig` for images of ``size`` pixels: five entries change together."""
    side = size // 16
    config.image_size = size
    config.vision_config.backbone_feature_sizes = [[side * 4] * 2, [side * 2] * 2, [side] * 2]
    config.vision_config.backbone_config.image_size = [size, size]
    config.prompt_encoder_config.image_size = size
    config.memory_attention_rope_feat_sizes = [side, side]
    return config


def _video_config(shapes: Shapes, vision: Any) -> Any:
    from transformers import Sam2VideoConfig

    return Sam2VideoConfig(
        vision_config=vision,
        enable_temporal_pos_encoding_for_object_pointers=(
            "temporal_positional_encoding_projection_layer.weight" in shapes
        ),
        enable_occlusion_spatial_embedding="occlusion_spatial_embedding_parameter" in shapes,
    )


def _numbers(shapes: Shapes, pattern: str) -> list[int]:
    found = {int(match[1]) for key in shapes if (match := re.match(pattern, key))}
    return sorted(found)
