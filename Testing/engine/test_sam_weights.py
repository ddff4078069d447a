"""Checkpoints: which layouts are taken, and what is said about the others."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import hashlib
import json
import pickle

import numpy as np
import sam_kit as kit
import torch
import transformers
from medseg import ModelError, find
from medseg.models.sam import sizes
from medseg.models.sam.families import FAMILIES, family_of
from medseg.models.sam.keys import converted, kind_of
from medseg.models.sam.spec import read
from medseg.models.sam.weights import load
from medseg.propagation import find_tracker
from sam_original import original

SAM, SAM2 = FAMILIES["sam"], FAMILIES["sam2"]
#: Keys of the official SAM 2.1 checkpoints, one of each kind, as a check of `sam_original`.
OFFICIAL = {
    "maskmem_tpos_enc",
    "no_obj_ptr",
    "image_encoder.trunk.pos_embed_window",
    "image_encoder.trunk.blocks.0.mlp.layers.0.weight",
    "image_encoder.neck.convs.3.conv.bias",
    "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    "sam_prompt_encoder.point_embeddings.3.weight",
    "sam_prompt_encoder.mask_downscaling.6.weight",
    "sam_mask_decoder.transformer.layers.1.cross_attn_image_to_token.out_proj.weight",
    "sam_mask_decoder.transformer.norm_final_attn.weight",
    "sam_mask_decoder.output_hypernetworks_mlps.3.layers.2.bias",
    "sam_mask_decoder.pred_obj_score_head.layers.1.weight",
    "memory_attention.layers.1.cross_attn_image.out_proj.weight",
    "memory_attention.norm.weight",
    "memory_encoder.mask_downsampler.encoder.10.weight",
    "memory_encoder.fuser.layers.1.gamma",
    "memory_encoder.fuser.layers.0.pwconv2.bias",
    "memory_encoder.out_proj.weight",
    "obj_ptr_proj.layers.2.weight",
    "obj_ptr_tpos_proj.bias",
}


def equal(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def stored(folder, content, name="weights.pt"):
    torch.save(content, folder / name)
    return str(folder / name)


def refused(path, family=SAM):
    with pytest.raises(ModelError) as caught:
        load(str(path), family)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


@pytest.fixture(scope="module")
def sam():
    return kit.sam()


@pytest.fixture(scope="module")
def sam2():
    return kit.sam2()


def test_a_folder_is_loaded_whole_and_its_hash_told(tmp_path, sam2):
    kit.saved(sam2, tmp_path)
    loaded = load(str(tmp_path), SAM2)
    assert equal(loaded.network, sam2)
    content = (tmp_path / "model.safetensors").read_bytes()
    assert loaded.sha256 == hashlib.sha256(content).hexdigest()
    assert not loaded.network.training


@pytest.mark.parametrize("holder", [None, "model", "model_state", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "module.", "sam."])
def test_an_original_sam_checkpoint_is_converted_strictly(tmp_path, sam, holder, prefix):
    state = {prefix + key: value for key, value in original(sam).items()}
    path = stored(tmp_path, state if holder is None else {holder: state, "epoch": 3})
    assert equal(load(path, SAM).network, sam)


def test_the_size_of_a_sam_is_read_from_its_tensors(tmp_path):
    made = kit.sam(size=96)
    loaded = load(stored(tmp_path, original(made)), SAM).network.config.vision_config
    theirs = made.config.vision_config
    for name in ("image_size", "hidden_size", "num_attention_heads", "window_size"):
        assert getattr(loaded, name) == getattr(theirs, name)
    assert loaded.global_attn_indexes == theirs.global_attn_indexes


def test_the_original_names_of_sam2_are_the_official_ones(sam2):
    made = original(sam2)
    assert made.keys() >= OFFICIAL
    assert kind_of(made) == "sam2"
    back = converted(made, "sam2")
    assert back.keys() == sam2.state_dict().keys()
    assert all(torch.equal(back[key], value) for key, value in sam2.state_dict().items())


@pytest.mark.parametrize(
    ("hidden", "blocks", "ends"),
    [
        (96, [1, 2, 7, 2], [5, 7, 9]),
        (96, [1, 2, 11, 2], [7, 10, 13]),
        (112, [2, 3, 16, 3], [12, 16, 20]),
        (144, [2, 6, 36, 4], [23, 33, 43]),
    ],
    ids=["tiny", "small", "base+", "large"],
)
def test_every_published_size_of_sam2_is_known_by_its_shapes(hidden, blocks, ends):
    starts = np.cumsum([0, *blocks])[1:-1]
    back = "vision_encoder.backbone"
    shapes = {
        f"{back}.patch_embed.projection.weight": (hidden, 3, 7, 7),
        f"{back}.pos_embed": (1, hidden, 7, 7),
        "temporal_positional_encoding_projection_layer.weight": (64, 256),
        **{f"{back}.blocks.{n}.norm1.weight": (1,) for n in range(sum(blocks))},
        **{f"{back}.blocks.{n}.proj.weight": (1, 1) for n in starts},
    }
    config = sizes.sam2_config(shapes, 512)
    found = config.vision_config.backbone_config
    assert found.blocks_per_stage == blocks
    assert found.global_attention_blocks == ends
    assert config.memory_attention_rope_feat_sizes == [32, 32]
    assert config.enable_temporal_pos_encoding_for_object_pointers
    assert not config.enable_occlusion_spatial_embedding


def test_the_tiny_one_is_loaded_from_its_official_layout(tmp_path):
    with torch.device("meta"):
        shapes = transformers.Sam2VideoModel(transformers.Sam2VideoConfig())
    state = {k: torch.zeros(v.shape) for k, v in original(shapes).items()}
    state["no_obj_ptr"] += 5
    loaded = load(stored(tmp_path, {"model": state}), FAMILIES["medsam2"]).network
    assert loaded.image_size == 512
    assert float(loaded.no_object_pointer.mean()) == 5
    assert sum(p.numel() for p in loaded.parameters()) == 38_962_498


def test_a_missing_or_surplus_tensor_is_refused(tmp_path, sam, sam2):
    state = original(sam)
    lost = dict(state)
    del lost["mask_decoder.iou_token.weight"]
    sentence = refused(stored(tmp_path, lost))
    assert "1 tensors are missing or of another size, 0 have no place" in sentence
    assert "mask_decoder.iou_token.weight" in sentence
    assert "1 have no place" in refused(stored(tmp_path, state | {"surplus": torch.zeros(1)}))
    small = state | {"mask_decoder.mask_tokens.weight": torch.zeros(1, 3)}
    assert "1 tensors are missing or of another size" in refused(stored(tmp_path, small))
    kit.saved(sam2, tmp_path / "folder")
    from safetensors.torch import load_file, save_file

    tensors = load_file(tmp_path / "folder/model.safetensors")
    tensors.pop("no_object_pointer")
    save_file(tensors, tmp_path / "folder/model.safetensors", {"format": "pt"})
    assert "no_object_pointer" in refused(tmp_path / "folder", SAM2)


def test_the_wrong_kind_is_named(tmp_path, sam, sam2):
    assert "is a SAM 2 checkpoint" in refused(stored(tmp_path, original(sam2)))
    assert "is a SAM checkpoint" in refused(stored(tmp_path, original(sam)), SAM2)
    solid = original(sam) | {"image_encoder.patch_embed.proj.weight": torch.zeros(4, 1, 2, 2, 2)}
    assert "SAM-Med3D checkpoint, a model of volumes" in refused(stored(tmp_path, solid))
    adapted = original(sam) | {"image_encoder.blocks.0.Adapter.channel.0.weight": torch.zeros(1)}
    assert "SAM-Med2D checkpoint with adapter layers" in refused(stored(tmp_path, adapted))
    other = {"detector.x": torch.zeros(1)}
    assert "is a SAM 3 checkpoint" in refused(stored(tmp_path, other))
    assert "as a folder" in refused(stored(tmp_path, other))
    net = {"network_weights": {"a": torch.zeros(1)}}
    assert "nnU-Net or nnInteractive" in refused(stored(tmp_path, net))
    light = {"sam_mask_decoder.a": torch.zeros(1), "image_encoder.trunk.x": torch.zeros(1)}
    assert "EfficientTAM" in refused(stored(tmp_path, light), SAM2)
    assert "no checkpoint of the SAM family" in refused(stored(tmp_path, {"a": torch.zeros(1)}))
    assert "no tensors by name" in refused(stored(tmp_path, [1, 2]))


def test_a_folder_of_the_wrong_kind_is_named(tmp_path, sam):
    kit.saved(sam, tmp_path)
    assert "holds a 'sam' model, SAM 2 needs 'sam2_video'" in refused(tmp_path, SAM2)
    (tmp_path / "config.json").write_text("{")
    assert "no readable config.json" in refused(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert "holds no model.safetensors" in refused(tmp_path)


class Dangerous:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a checkpoint was run')",))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_wants_to_run_code_is_refused(tmp_path, zipped):
    path = tmp_path / "bad.pt"
    if zipped:
        torch.save({"model": Dangerous()}, path)
    else:
        path.write_bytes(pickle.dumps(Dangerous()))
    assert "perhaps code that would run when it is opened" in refused(path)


@pytest.mark.parametrize("part", [0, 10, 2000, -100])
def test_a_cut_off_file_is_told(tmp_path, sam, part):
    path = tmp_path / "weights.pth"
    torch.save(original(sam), path)
    path.write_bytes(path.read_bytes()[:part])
    assert "'weights.pth' is damaged or cut off" in refused(path)


def test_a_cut_off_folder_is_told(tmp_path, sam2):
    kit.saved(sam2, tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    assert "damaged or cut off" in refused(tmp_path, SAM2)


def test_nothing_there_is_told(tmp_path):
    assert "There is nothing at" in refused(tmp_path / "none.pt")
    assert "no hub copy of that name on this machine" in refused("facebook/no-such-model")


def test_a_cached_hub_copy_is_found_by_its_id(tmp_path, monkeypatch, sam2):
    snapshot = tmp_path / "models--lab--net/snapshots/abc"
    snapshot.mkdir(parents=True)
    kit.saved(sam2, snapshot)
    refs = tmp_path / "models--lab--net/refs"
    refs.mkdir()
    (refs / "main").write_text("abc")
    import huggingface_hub.file_download as hub

    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert equal(load("lab/net", SAM2).network, sam2)


def test_models_and_trackers_are_named_by_their_weights(tmp_path, monkeypatch, sam, sam2):
    kit.saved(sam2, tmp_path / "two")
    kit.saved(sam, tmp_path / "one")
    model = find(f"sam2:{tmp_path / 'two'}?memory=diverse")
    assert model.weights_hash == load(str(tmp_path / "two"), SAM2).sha256
    assert model.capabilities.weights_licence == "Apache-2.0"
    assert find_tracker(model.name).name == model.name
    monkeypatch.setenv("MEDSEG_MEDSAM", str(tmp_path / "one"))
    assert find("medsam").capabilities.prompts == {"box", "lasso"}
    with pytest.raises(ModelError, match="MedSAM sees one slice at a time and cannot propagate"):
        find_tracker("medsam")


def test_no_weights_is_told_with_what_to_do(monkeypatch):
    monkeypatch.delenv("MEDSEG_SAM2", raising=False)
    with pytest.raises(ModelError, match=r"no weights for SAM 2 .*'sam2:PATH'.*MEDSEG_SAM2"):
        find("sam2")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("size=100", "'size=100' is not usable"),
        ("window=5,1", "'window=5,1' is not usable"),
        ("window=x", "'window=x' is not usable"),
        ("memory=lifo", "policy of propagation: fifo, confident, diverse, sorted"),
        ("drop=2", "'drop=2' is not usable"),
        ("speed=9", "'speed' is not an option; known are size"),
    ],
)
def test_a_wrong_option_is_told(query, sentence):
    with pytest.raises(ModelError) as caught:
        read(f"sam2:x?{query}")
    assert sentence in str(caught.value)


def test_options_are_read():
    spec = read("medsam2:/a/b.pt?window=-600,1500&plane=j&memory=sorted&drop=0.3&size=256")
    assert (spec.weights, spec.window, spec.plane) == ("/a/b.pt", (-600, 1500), 1)
    assert (spec.memory, spec.drop, spec.size) == ("sorted", 0.3, 256)


@pytest.mark.parametrize(
    ("name", "adapter", "family"),
    [
        ("medsam2-ct-lesion", "sam2", "medsam2"),
        ("sam2.1-tiny", "sam2", "sam2"),
        ("medsam", "sam", "medsam"),
        ("sam-vit-base", "sam", "sam"),
        ("edgetam", "edgetam", "edgetam"),
        ("something-else", "sam2", "sam2"),
    ],
)
def test_the_family_of_a_published_model(name, adapter, family):
    assert family_of(name, adapter).name == family


def test_a_stored_model_is_found_by_its_plain_name(tmp_path, monkeypatch, sam2):
    from medseg import names
    from medseg.store import Store

    monkeypatch.setenv("MEDSEG_MODELS", str(tmp_path / "store"))
    kit.saved(sam2, tmp_path / "two")
    assert "sam2.1-tiny" not in names()
    Store().import_("sam2.1-tiny", tmp_path / "two")
    assert "sam2.1-tiny" in names()
    model = find("sam2.1-tiny?memory=confident")
    assert model.spec.family is SAM2
    assert find_tracker("sam2.1-tiny").name == "sam2.1-tiny"


def test_edgetam_says_what_it_needs(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "edgetam_video"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    pytest.importorskip("transformers")
    from importlib.util import find_spec

    if find_spec("timm") and find_spec("torchvision"):
        pytest.skip("timm and torchvision are installed")
    sentence = refused(tmp_path, FAMILIES["edgetam"])
    assert sentence == "EdgeTAM needs timm and a torchvision that fits torch; install both."
