"""Small SAM networks with random weights, as folders and as original checkpoints."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

torch.set_num_threads(1)
WIDTH = 128


def _parts(size):
    prompt = {"hidden_size": WIDTH, "image_size": size, "patch_size": 16, "mask_input_channels": 8}
    decoder = {
        "hidden_size": WIDTH,
        "mlp_dim": 32,
        "num_attention_heads": 8,
        "iou_head_hidden_dim": WIDTH,
    }
    return prompt, decoder


def sam(seed=0, size=64):
    """A SAM with random weights."""
    prompt, decoder = _parts(size)
    vision = transformers.SamVisionConfig(
        hidden_size=32,
        output_channels=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=size,
        window_size=2,
        global_attn_indexes=[1],
        num_pos_feats=WIDTH // 2,
        mlp_dim=64,
        initializer_range=0.1,
    )
    config = transformers.SamConfig(
        vision_config=vision,
        prompt_encoder_config=transformers.SamPromptEncoderConfig(
            **prompt, image_embedding_size=size // 16
        ),
        mask_decoder_config=transformers.SamMaskDecoderConfig(**decoder),
    )
    torch.manual_seed(seed)
    return _lively(transformers.SamModel(config))


def _memory(side):
    return {
        "memory_attention_hidden_size": WIDTH,
        "memory_attention_num_layers": 2,
        "memory_attention_rope_feat_sizes": [side, side],
        "memory_encoder_hidden_size": WIDTH,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": WIDTH,
        "memory_fuser_embed_dim": WIDTH,
        "memory_fuser_intermediate_dim": 64,
    }


def _hiera(size):
    side = size // 16
    widths = [16, 32, 64, 128]
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=16,
        image_size=[size, size],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[1, 2, 2, 2],
        window_size_per_stage=[8, 4, 4, 2],
        global_attention_blocks=[3],
    )
    return transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=widths[::-1],
        backbone_feature_sizes=[[side * 4] * 2, [side * 2] * 2, [side] * 2],
        fpn_hidden_size=WIDTH,
    )


def sam2(seed=0, size=64):
    """A SAM 2.1 video model with random weights, its memory made to matter."""
    prompt, decoder = _parts(size)
    config = transformers.Sam2VideoConfig(
        vision_config=_hiera(size),
        prompt_encoder_config=transformers.Sam2VideoPromptEncoderConfig(**prompt),
        mask_decoder_config=transformers.Sam2VideoMaskDecoderConfig(**decoder),
        image_size=size,
        memory_attention_feed_forward_hidden_size=64,
        **_memory(size // 16),
    )
    torch.manual_seed(seed)
    return amplified(_lively(transformers.Sam2VideoModel(config)))


def repvit(size=64):
    """EdgeTAM's own encoder, which timm makes."""
    side = size // 16
    backbone = transformers.TimmWrapperConfig(
        architecture="repvit_m1",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    return transformers.EdgeTamVisionConfig(
        backbone_config=backbone,
        backbone_feature_sizes=[[side * 4] * 2, [side * 2] * 2, [side] * 2],
        fpn_hidden_size=WIDTH,
    )


def edgetam(seed=0, size=64, vision=None):
    """EdgeTAM's memory behind SAM 2's encoder (its own needs timm and torchvision)."""
    prompt, decoder = _parts(size)
    config = transformers.EdgeTamVideoConfig(
        vision_config=_hiera(size) if vision is None else vision,
        prompt_encoder_config=prompt,
        mask_decoder_config=decoder,
        image_size=size,
        memory_attention_mlp_hidden_size=64,
        memory_attention_rope_k_sizes=[2, 2],
        perceiver_resampler_num_latents=4,
        perceiver_resampler_num_latents_2d=4,
        **_memory(size // 16),
    )
    torch.manual_seed(seed)
    return amplified(_lively(transformers.EdgeTamVideoModel(config)))


def sam3(seed=0, size=112):
    """The tracker of SAM 3 with random weights."""
    from transformers.models.sam3.configuration_sam3 import Sam3ViTConfig

    prompt, decoder = _parts(size)
    side = size // 14
    backbone = Sam3ViTConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=size,
        window_size=4,
        global_attn_indexes=[1],
        pretrain_image_size=56,
    )
    vision = transformers.Sam3VisionConfig(
        backbone_config=backbone,
        fpn_hidden_size=WIDTH,
        backbone_feature_sizes=[[side * 4] * 2, [side * 2] * 2, [side] * 2],
    )
    config = transformers.Sam3TrackerVideoConfig(
        vision_config=vision,
        prompt_encoder_config=prompt | {"patch_size": 14},
        mask_decoder_config=decoder,
        image_size=size,
        memory_attention_feed_forward_hidden_size=64,
        **_memory(side),
    )
    torch.manual_seed(seed)
    return amplified(_lively(transformers.Sam3TrackerVideoModel(config)))


def _lively(model):
    """Random weights large enough that pictures and prompts make a difference."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.ndim > 1 and "norm" not in name:
                value.copy_(torch.randn_like(value) / max(1, value[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                value.copy_(0.1 * torch.randn_like(value))
        if hasattr(model, "shared_image_embedding"):
            shared = model.shared_image_embedding.positional_embedding
            model.prompt_encoder.shared_embedding.positional_embedding.copy_(shared)
    return model.eval()


def amplified(model, factor=3.0):
    """Memory that matters, and an object that is always there (models.md 3.1)."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "memory_attention" in name and name.endswith("_proj.weight"):
                value.mul_(factor)
            if "temporal_positional_encoding" in name or name.startswith("no_memory_positional"):
                value.copy_(torch.randn_like(value))
            if "memory_fuser" in name and name.endswith("scale"):
                value.fill_(0.5)
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20.0)
    return model


def saved(model, folder):
    """The model as a folder in the format of transformers."""
    model.save_pretrained(folder)
    return folder


def pictures(count=6, shape=(40, 48), seed=0):
    """A film ``(K, J, I)`` uint8 of a bright disk that drifts over noise."""
    random = np.random.default_rng(seed)
    j, i = np.ogrid[: shape[0], : shape[1]]
    frames = 40 + 30 * random.random((count, *shape))
    for n in range(count):
        frames[n][(j - 18 - n) ** 2 + (i - 20 - n) ** 2 < 64] += 120
    return frames.astype(np.uint8)


def disk(shape=(40, 48), centre=(18, 20), radius=8):
    j, i = np.ogrid[: shape[0], : shape[1]]
    return (j - centre[0]) ** 2 + (i - centre[1]) ** 2 < radius**2
