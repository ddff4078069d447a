"""The encoder and the memory attention of SAM 2, worked off our way, beside transformers' own."""

import pytest

pytest.importorskip("transformers", reason="transformers is not installed")

import sam_kit as kit
import torch
import transformers
from medseg.models.sam import hiera
from medseg.models.sam.attention import MemoryAttention
from medseg.models.sam.hiera import Hiera, is_hiera
from medseg.models.sam.sizes import fitted

MAPS = 3


def tiny(size):
    """SAM 2.1 tiny as it is published but for its size and weights; windows of 14 do not fit."""
    torch.manual_seed(0)
    model = transformers.Sam2VideoModel(fitted(transformers.Sam2VideoConfig(), size))
    return kit._lively(model)


@pytest.fixture(
    params=[lambda: kit.sam2(size=64), lambda: kit.sam2(size=96), lambda: tiny(256)],
    ids=["windows fit", "some windows do not fit", "SAM 2.1 tiny"],
)
def model(request):
    return request.param()


@torch.inference_mode()
def encoded(model):
    """Maps and places by us and by transformers."""
    pixels = torch.randn(1, 3, model.image_size, model.image_size)
    maps, position = Hiera(model)(pixels)
    reference = model.get_image_features(pixels, return_dict=True)
    flat = [m.flatten(2).permute(2, 0, 1) for m in maps]
    theirs = reference.fpn_hidden_states, reference.fpn_position_encoding[-1]
    return (flat, position), theirs


def farthest(ours, theirs):
    assert [m.shape for m in ours] == [m.shape for m in theirs]
    return max(float((a - b).abs().max() / b.std()) for a, b in zip(ours, theirs, strict=True))


def test_the_encoder_makes_what_transformers_makes(model):
    (maps, position), (reference, places) = encoded(model)
    assert len(maps) == MAPS
    assert farthest(maps, reference) < 1e-4
    assert (position == places).all()


def test_a_few_windows_at_a_time_make_the_same(monkeypatch):
    monkeypatch.setattr(hiera, "PART", 128)
    (maps, _), (reference, _) = encoded(kit.sam2(size=96))
    assert farthest(maps, reference) < 1e-4


@pytest.mark.parametrize("spoilt", ["padding without bias", "windows in another order"])
def test_the_comparison_of_maps_would_see_a_fault(monkeypatch, spoilt):
    padded, cut = hiera._padded, hiera._cut
    if spoilt == "padding without bias":
        monkeypatch.setattr(hiera, "_padded", lambda w, n, bias: padded(w, n, 0 * bias))
    else:
        monkeypatch.setattr(hiera, "_cut", lambda w, side: cut(w, side).transpose(1, 2))
    (maps, _), (reference, _) = encoded(kit.sam2(size=96))
    assert farthest(maps, reference) > 1e-2


def test_places_are_made_once(monkeypatch):
    model = kit.sam2()
    encoder, pixels = Hiera(model), torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        first, _ = encoder(pixels)
        monkeypatch.setattr(model.vision_encoder.backbone, "_get_pos_embed", None)
        model.vision_encoder.neck.position_encoding.forward = None
        again, _ = encoder(pixels)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))


def test_other_encoders_are_left_to_transformers():
    assert is_hiera(kit.sam2())
    assert not is_hiera(kit.sam3())
    assert not is_hiera(kit.sam())


def remembering(heads, memories=3, pointers=5):
    """A memory attention and what it is called with: pixels, memories, pointers, and places."""
    config = kit.sam2().config
    config.memory_attention_num_attention_heads = heads
    torch.manual_seed(1)
    module = kit._lively(transformers.Sam2VideoModel(config)).memory_attention
    pixels = config.memory_attention_rope_feat_sizes[0] ** 2
    length = memories * pixels + pointers
    given = {
        "current_vision_features": torch.randn(pixels, 1, kit.WIDTH),
        "current_vision_position_embeddings": torch.randn(pixels, 1, kit.WIDTH),
        "memory": torch.randn(length, 1, 64),
        "memory_posision_embeddings": torch.randn(length, 1, 64),
        "num_object_pointer_tokens": pointers,
    }
    return module, given


@torch.inference_mode()
def fused(module, given):
    return module(**given).reshape(-1, kit.WIDTH)


@pytest.mark.parametrize("heads", [1, 2])
def test_memory_attention_finds_what_transformers_finds(heads):
    module, given = remembering(heads)
    ours = fused(MemoryAttention(module), given)
    assert float((ours - fused(module, given)).abs().max()) < 1e-4


def test_memory_attention_without_pointers():
    module, given = remembering(1, pointers=0)
    ours = fused(MemoryAttention(module), given)
    assert float((ours - fused(module, given)).abs().max()) < 1e-4


def test_what_memory_attention_is_given_stays_as_it_is():
    module, given = remembering(1)
    before = {name: torch.as_tensor(value).clone() for name, value in given.items()}
    fused(MemoryAttention(module), given)
    assert all((torch.as_tensor(given[name]) == value).all() for name, value in before.items())


@pytest.mark.parametrize("spoilt", ["places", "values", "turns"])
def test_the_comparison_of_attention_would_see_a_fault(spoilt):
    module, given = remembering(1)
    ours, reference = MemoryAttention(module), fused(module, given)
    if spoilt == "places":
        given["memory_posision_embeddings"] = given["memory_posision_embeddings"].flip(0)
    elif spoilt == "values":
        given["memory"] = given["memory"].flip(0)
    else:
        ours._turns = ours._turns.flip(0)
    assert float((fused(ours, given) - reference).abs().max()) > 1e-2
