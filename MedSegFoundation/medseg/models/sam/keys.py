"""Key layouts of the original checkpoints, and which kind a state dict is.

The layouts are those of the official repositories of SAM and SAM 2 (Apache-2.0); the other side
is transformers' `SamModel` and `Sam2VideoModel`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

#: Wrappers that training code puts before every key.
_PREFIXES = ("module.", "sam.", "model.")
_MLP3 = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
_MLP2 = {"0": "proj_in", "1": "proj_out"}
_DOWN = {"0": "conv1", "1": "layer_norm1", "3": "conv2", "4": "layer_norm2", "6": "conv3"}
_UP = {"0": "upscale_conv1", "1": "upscale_layer_norm", "3": "upscale_conv2"}
_DOWNS = ("conv", "layer_norm")
_NECK = {"0": "conv1", "1": "layer_norm1", "2": "conv2", "3": "layer_norm2"}

Rule = tuple[str, Any]


def _pick(names: Mapping[str, str], before: str) -> Any:
    return lambda match: before.replace("#", match[1]) + names[match[match.lastindex]]


_HEADS: list[Rule] = [
    (
        r"output_hypernetworks_mlps\.(\d+)\.layers\.(\d)",
        _pick(_MLP3, "output_hypernetworks_mlps.#."),
    ),
    (r"iou_prediction_head\.layers\.(\d)", _pick(_MLP3, "iou_prediction_head.")),
    (r"output_upscaling\.([013])", _pick(_UP, "")),
    (r"mask_downscaling\.([01346])", _pick(_DOWN, "mask_embed.")),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"point_embeddings\.", "point_embed."),
    (r"\.norm(\d|_final_attn)?\.", lambda m: f".layer_norm{m[1] or ''}."),
    (r"patch_embed\.proj\.", "patch_embed.projection."),
]
_SAM: list[Rule] = [
    *_HEADS,
    (r"^image_encoder\.neck\.([0-3])", _pick(_NECK, "vision_encoder.neck.")),
    (r"^image_encoder\.blocks\.", "vision_encoder.layers."),
    (r"^image_encoder\.", "vision_encoder."),
]
_SAM2: list[Rule] = [
    *_HEADS,
    (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
    (r"^image_encoder\.neck\.convs\.(\d)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"mlp\.layers\.([01])\.", lambda m: f"mlp.{_MLP2[m[1]]}."),
    (r"pred_obj_score_head\.layers\.(\d)", _pick(_MLP3, "pred_obj_score_head.")),
    (r"^obj_ptr_proj\.layers\.(\d)", _pick(_MLP3, "object_pointer_proj.")),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv", ".pointwise_conv"),
    (r"\.gamma$", ".scale"),
    (r"mask_downsampler\.encoder\.12\.", "mask_downsampler.final_conv."),
    (
        r"mask_downsampler\.encoder\.(\d+)\.",
        lambda m: f"mask_downsampler.layers.{int(m[1]) // 3}.{_DOWNS[int(m[1]) % 3]}.",
    ),
    (r"\.out_proj\.", ".o_proj."),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
]
_IGNORED = ("pixel_mean", "pixel_std")


def plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The same without the wrappers of training code."""
    found = dict(state)
    for prefix in _PREFIXES:
        if found and all(key.startswith(prefix) for key in found):
            found = {key.removeprefix(prefix): value for key, value in found.items()}
    return found


def converted(state: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Tensors of an original checkpoint of ``kind`` "sam" or "sam2" under transformers' keys."""
    import torch

    rules = _SAM if kind == "sam" else _SAM2
    made = {_renamed(k, rules): v for k, v in state.items() if k not in _IGNORED}
    shared = "prompt_encoder.shared_embedding.positional_embedding"
    if shared in made:
        made["shared_image_embedding.positional_embedding"] = made[shared]
    points = [f"prompt_encoder.point_embed.{n}.weight" for n in range(4)]
    if kind == "sam2" and all(key in made for key in points):
        made["prompt_encoder.point_embed.weight"] = torch.cat([made.pop(k) for k in points])
    return made


def _renamed(key: str, rules: Iterable[Rule]) -> str:
    for pattern, replacement in rules:
        key = re.sub(pattern, replacement, key)
    return key


#: What the kinds are called in sentences.
TITLES = {
    "sam": "a SAM checkpoint (also MedSAM, MedicoSAM)",
    "sam2": "a SAM 2 checkpoint (also MedSAM2)",
    "sam-adapters": "a SAM-Med2D checkpoint with adapter layers",
    "sam-3d": "a SAM-Med3D checkpoint, a model of volumes",
    "mobile-sam": "a MobileSAM checkpoint",
    "edgetam": "an EdgeTAM checkpoint",
    "efficienttam": "an EfficientTAM checkpoint",
    "sam3": "a SAM 3 checkpoint",
    "nnunet": "a checkpoint of nnU-Net or nnInteractive",
    "unknown": "no checkpoint of the SAM family",
}


def kind_of(state: Mapping[str, Any]) -> str:
    """A key of `TITLES` for tensors under their original names (see `plain`)."""
    if "network_weights" in state:
        return "nnunet"
    if any(key.startswith(("detector.", "detector_model.", "tracker.")) for key in state):
        return "sam3"
    if "spatial_perceiver.latents" in state or any("perceiver" in key for key in state):
        return "edgetam"
    if any(key.startswith("sam_mask_decoder.") for key in state):
        return "sam2" if "image_encoder.trunk.pos_embed_window" in state else "efficienttam"
    if not any(key.startswith("image_encoder.") for key in state):
        return "unknown"
    if any(".Adapter." in key for key in state):
        return "sam-adapters"
    patches = state.get("image_encoder.patch_embed.proj.weight")
    if patches is None:
        return (
            "mobile-sam" if "image_encoder.layers.0.blocks.0.conv1.c.weight" in state else "unknown"
        )
    return "sam-3d" if patches.ndim == 5 else "sam"
