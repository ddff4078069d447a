"""Images on the wire: names made of the content, exact round trips, nothing that bursts."""

import struct
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import phantoms
import pytest
from medseg import GeometryError, Image, InputError, Session, find
from medseg.errors import TooLargeError
from medseg.protocol import images as wire
from medseg.protocol.messages import Limits

LIMITS = Limits(
    image_bytes=1 << 20, chunk_bytes=1 << 14, message_bytes=1 << 16, sessions=1, lease_seconds=1.0
)
RNG = np.random.default_rng(0)
CT = RNG.integers(-1000, 2000, (9, 10, 11)).astype(np.int16)
WIDE = {
    "int16": CT,
    "big endian": CT.astype(">i2"),
    "int32": CT.astype(np.int32),
    "int64": CT.astype(np.int64),
    "float32": CT.astype(np.float32),
    "float64": CT.astype(np.float64),
    "fortran": np.asfortranarray(CT),
}


@pytest.fixture(params=["blosc2", "zlib", "raw"])
def codec(request):
    if request.param == "blosc2":
        pytest.importorskip("blosc2")
    return request.param


def sent(image, codec, chunk_bytes=500):
    """The offer, and the voxels as they arrive."""
    made = wire.offer(image, [codec], chunk_bytes)
    chunks = [wire.encode_chunk(image, made, n) for n in range(wire.chunk_count(made))]
    return made, np.concatenate([wire.decode_chunk(made, n, c) for n, c in enumerate(chunks)])


@pytest.mark.parametrize("name", WIDE)
def test_the_same_voxels_have_the_same_name_in_any_type_and_order(name):
    assert wire.digest(Image(WIDE[name])) == wire.digest(Image(CT))


def test_the_name_does_not_depend_on_codec_or_chunks(codec):
    image = Image(CT)
    for chunk_bytes in (1, 500, 1 << 20):
        assert wire.offer(image, [codec], chunk_bytes).digest == wire.digest(image)


def test_whatever_matters_to_a_mask_changes_the_name():
    image = Image(CT)
    other = CT.copy()
    other[3, 4, 5] += 1
    moved = np.eye(4)
    moved[0, 3] = 1e-9
    variants = [
        Image(other),
        Image(CT, moved),
        Image(CT, modality="CT"),
        Image(CT, time_axis=True),
        Image(CT.reshape(9, 11, 10)),
        Image(CT[:, ::-1]),
        Image(CT + 0.5),
    ]
    assert len({wire.digest(v) for v in [image, *variants]}) == len(variants) + 1


def test_names_and_notes_stay_at_home():
    assert wire.digest(Image(CT, name="someone", notes=("x",))) == wire.digest(Image(CT))
    assert "someone" not in repr(wire.offer(Image(CT, name="someone"), ["raw"]))


@pytest.mark.parametrize(
    ("voxels", "dtype"),
    [
        *((a, "int16") for a in WIDE.values()),
        (CT.astype(np.uint8), "uint8"),
        (CT.astype(np.int8), "int8"),
        (CT > 0, "uint8"),
        (np.full((1, 1, 1), 40000.0), "uint16"),
        (np.full((1, 1, 1), -40000.0), "int32"),
        (np.full((1, 1, 1), 2**32 - 1), "uint32"),
        (np.full((1, 1, 1), 2**40), "float32"),
        (np.full((1, 1, 1), 2**40 + 1), "float64"),
        (np.full((2, 1, 1), 0.5), "float32"),
        (np.full((2, 1, 1), 0.1), "float64"),
        (np.array([[[1.0, np.nan, np.inf]]]), "float32"),
        (np.full((2, 1, 1), 0.1, np.float16), "float32"),
        (RNG.integers(0, 255, (3, 4, 5, 3)).astype(np.uint8), "uint8"),
    ],
)
def test_voxels_arrive_exactly_in_the_narrowest_type(codec, voxels, dtype):
    made, arrived = sent(Image(voxels), codec, 60)
    assert (made.dtype, arrived.dtype) == (dtype, np.dtype(dtype))
    assert np.array_equal(arrived, voxels, equal_nan=voxels.dtype.kind == "f")


@pytest.mark.parametrize(
    "voxels",
    [np.zeros((1, 1, 1), complex), np.zeros((1, 1, 1), "U3"), np.full((1, 1, 1), 2**53 + 1)],
)
def test_voxels_that_cannot_travel_are_refused(voxels):
    with pytest.raises(InputError, match="cannot be sent; convert"):
        wire.digest(Image(voxels))


def test_a_float_ct_gives_the_same_mask_as_what_arrives_of_it():
    truth = phantoms.ball((24, 26, 28), radius=7.0)
    shown = phantoms.image(truth)
    here = shown.with_array(np.rint(shown.array))
    made, arrived = sent(here, "zlib")
    assert made.dtype == "int16"
    there = here.with_array(arrived)
    prompts = [phantoms.at(here, phantoms.middle(truth)), phantoms.at(here, (2, 2, 2), False)]
    masks = []
    for image in (here, there):
        session = Session(image, find("geodesic-cut"))
        for prompt in prompts:
            session.add(prompt)
        masks.append(session.mask.copy())
    assert masks[0].any()
    assert np.array_equal(*masks)


def test_a_chunk_has_to_be_exactly_its_slab(codec):
    image = Image(CT)
    made = wire.offer(image, [codec], 500)
    data = wire.encode_chunk(image, made, 0)
    for wrong in (b"", data[:-1], data + b"\0", data[: len(data) // 2], b"\0" * len(data) * 2):
        with pytest.raises(InputError, match="arrived damaged"):
            wire.decode_chunk(made, 0, wrong)
    for n in (-1, wire.chunk_count(made)):
        with pytest.raises(InputError, match="There is no chunk"):
            wire.decode_chunk(made, n, data)


def test_a_flipped_bit_is_refused_or_changes_the_digest(codec):
    image = Image(CT)
    made = wire.offer(image, [codec], 1 << 20)
    data = wire.encode_chunk(image, made, 0)
    survived = 0
    for at in np.random.default_rng(1).integers(0, 8 * len(data), 400):
        bad = bytearray(data)
        bad[at // 8] ^= 1 << (at % 8)
        try:
            slab = wire.decode_chunk(made, 0, bytes(bad))
        except InputError:
            continue
        same = wire.root_hash(made, wire.slice_hashes(slab)) == made.digest
        assert same == np.array_equal(slab, CT)
        survived += not same
    assert survived or codec == "zlib"  # whose own checksum finds it


def peak_of(call):
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="arrived damaged"):
            call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_zlib_bomb_takes_no_more_than_its_slab():
    made = wire.offer(Image(CT), ["zlib"])
    bomb = zlib.compress(bytes(64 << 20), 9)
    assert peak_of(lambda: wire.decode_chunk(made, 0, bomb)) < 400_000


@pytest.mark.parametrize(
    ("form", "at", "lie"),
    [
        ("i", 4, 2**31 - 1),
        ("i", 4, -1),
        ("i", 8, 2**31 - 1),
        ("i", 8, 0),
        ("i", 8, -5),
        ("i", 12, 2**31 - 1),
        ("i", 12, 0),
        ("B", 2, 0x00),
        ("B", 2, 0x35),
        ("B", 3, 255),
        ("B", 16, 9),
        ("B", 17, 3),
        ("B", 24, 7),
        ("B", 31, 0x08),
        ("B", 31, 0x20),
        ("B", 31, 0x40),
    ],
)
def test_a_blosc2_header_that_lies_is_refused_before_it_is_unpacked(monkeypatch, form, at, lie):
    blosc2 = pytest.importorskip("blosc2")
    made = wire.offer(Image(CT), ["blosc2"])
    bad = bytearray(wire.encode_chunk(Image(CT), made, 0))
    struct.pack_into("<" + form, bad, at, lie)
    monkeypatch.setattr(blosc2, "decompress2", None)
    assert peak_of(lambda: wire.decode_chunk(made, 0, bytes(bad))) < 100_000


def test_a_blosc2_chunk_of_more_than_offered_is_refused(monkeypatch):
    blosc2 = pytest.importorskip("blosc2")
    made = wire.offer(Image(CT), ["blosc2"])
    bomb = blosc2.compress2(np.zeros(32 << 20, np.int16), typesize=2)
    assert len(bomb) < 1000
    monkeypatch.setattr(blosc2, "decompress2", None)
    assert peak_of(lambda: wire.decode_chunk(made, 0, bomb)) < 400_000


GOOD = wire.offer(Image(CT), ["zlib"], 500)


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (InputError, {"digest": "../../etc"}),
        (InputError, {"digest": "A" * 64}),
        (InputError, {"shape": [9, 10]}),
        (InputError, {"shape": [9, 10, 0]}),
        (InputError, {"shape": [-9, -10, 11]}),
        (InputError, {"dtype": "object"}),
        (InputError, {"dtype": "complex128"}),
        (InputError, {"codec": "pickle"}),
        (InputError, {"channels": 0}),
        (InputError, {"channels": 10**9}),
        (InputError, {"chunk_slices": 0}),
        (InputError, {"modality": "x" * 17}),
        (GeometryError, {"affine": []}),
        (GeometryError, {"affine": [[1.0] * 3] * 4}),
        (GeometryError, {"affine": [[float("nan")] * 4] * 4}),
        (GeometryError, {"affine": [[1e300] * 4] * 4}),
        (TooLargeError, {"shape": [10**6, 10**6, 10**6]}),
        (TooLargeError, {"shape": [2, 300, 300], "chunk_slices": 1}),
        (TooLargeError, {"shape": [200, 30, 30], "chunk_slices": 100}),
    ],
)
def test_offers_that_cannot_be_taken(error, fields):
    wire.check_offer(GOOD, LIMITS)
    with pytest.raises(error):
        wire.check_offer(replace(GOOD, **fields), LIMITS)


def test_a_single_slice_may_be_larger_than_a_chunk():
    made = wire.offer(Image(np.zeros((3, 120, 120), np.int16)), ["raw"], LIMITS.chunk_bytes)
    assert made.chunk_slices == 1
    wire.check_offer(made, LIMITS)


def test_the_best_common_codec_is_taken():
    image = Image(CT)
    assert wire.offer(image, wire.codecs()).codec == wire.codecs()[0]
    assert wire.offer(image, ["raw", "zlib", "of the future"]).codec == "zlib"
    assert wire.offer(image, ["of the future"]).codec == "raw"


def test_without_blosc2_there_is_zlib(monkeypatch):
    monkeypatch.setattr(wire, "_has_blosc2", lambda: False)
    assert wire.codecs() == ["zlib", "raw"]
    with pytest.raises(InputError, match="not known here"):
        wire.check_offer(replace(GOOD, codec="blosc2"), LIMITS)
