"""The key layouts of the official SAM and SAM 2 code, made from transformers' networks.

Written from the official modules, not from the rules under test.
"""

import re

_MLP3 = [("proj_in", "layers.0"), ("layers.0", "layers.1"), ("proj_out", "layers.2")]
_DECODER = [
    *[
        (rf"({head})\.{re.escape(new)}\.", rf"\1.{old}.")
        for head in (r"output_hypernetworks_mlps\.\d", "iou_prediction_head", "pred_obj_score_head")
        for new, old in _MLP3[::-1]
    ],
    (r"\bupscale_conv1\.", "output_upscaling.0."),
    (r"\bupscale_layer_norm\.", "output_upscaling.1."),
    (r"\bupscale_conv2\.", "output_upscaling.3."),
    (r"mask_embed\.conv1\.", "mask_downscaling.0."),
    (r"mask_embed\.layer_norm1\.", "mask_downscaling.1."),
    (r"mask_embed\.conv2\.", "mask_downscaling.3."),
    (r"mask_embed\.layer_norm2\.", "mask_downscaling.4."),
    (r"mask_embed\.conv3\.", "mask_downscaling.6."),
    (
        r"shared_embedding\.positional_embedding",
        "pe_layer.positional_encoding_gaussian_matrix",
    ),
    (r"\bpoint_embed\.", "point_embeddings."),
    (r"patch_embed\.projection\.", "patch_embed.proj."),
]
_SAM = [
    *_DECODER,
    (r"^vision_encoder\.neck\.conv1\.", "image_encoder.neck.0."),
    (r"^vision_encoder\.neck\.layer_norm1\.", "image_encoder.neck.1."),
    (r"^vision_encoder\.neck\.conv2\.", "image_encoder.neck.2."),
    (r"^vision_encoder\.neck\.layer_norm2\.", "image_encoder.neck.3."),
    (r"^vision_encoder\.layers\.", "image_encoder.blocks."),
    (r"^vision_encoder\.", "image_encoder."),
    (r"\.layer_norm", ".norm"),
]
_SAM2 = [
    (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
    *_DECODER,
    (r"mask_downsampler\.final_conv\.", "mask_downsampler.encoder.12."),
    (
        r"mask_downsampler\.layers\.(\d)\.conv\.",
        lambda m: f"mask_downsampler.encoder.{3 * int(m[1])}.",
    ),
    (
        r"mask_downsampler\.layers\.(\d)\.layer_norm\.",
        lambda m: f"mask_downsampler.encoder.{3 * int(m[1]) + 1}.",
    ),
    (r"\.layer_norm", ".norm"),
    (r"\.o_proj\.", ".out_proj."),
    (r"mlp\.proj_in\.", "mlp.layers.0."),
    (r"mlp\.proj_out\.", "mlp.layers.1."),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"^vision_encoder\.neck\.convs\.(\d)\.", r"image_encoder.neck.convs.\1.conv."),
    (r"^object_pointer_proj\.proj_in\.", "obj_ptr_proj.layers.0."),
    (r"^object_pointer_proj\.layers\.0\.", "obj_ptr_proj.layers.1."),
    (r"^object_pointer_proj\.proj_out\.", "obj_ptr_proj.layers.2."),
    (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
    (r"feature_projection\.", "pix_feat_proj."),
    (r"memory_fuser\.", "fuser."),
    (r"depthwise_conv\.", "dwconv."),
    (r"pointwise_conv", "pwconv"),
    (r"\.scale$", ".gamma"),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
]


def original(model):
    """Tensors of a `SamModel` or `Sam2VideoModel` as their official code names them."""
    rules = _SAM if model.config.model_type == "sam" else _SAM2
    made = {}
    for key, value in model.state_dict().items():
        if key.startswith("shared_image_embedding"):
            continue
        if key == "prompt_encoder.point_embed.weight":
            made |= {
                f"sam_prompt_encoder.point_embeddings.{n}.weight": value[n : n + 1]
                for n in range(4)
            }
            continue
        for pattern, replacement in rules:
            key = re.sub(pattern, replacement, key)
        made[key] = value
    return made
