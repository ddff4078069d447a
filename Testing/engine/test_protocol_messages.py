"""Messages, problems and packed masks: there and back, and nothing else gets in."""

import base64
import json
import tracemalloc
import zlib
from contextlib import suppress
from dataclasses import fields

import numpy as np
import pytest
from medseg import InputError, errors
from medseg.packing import Bits, pack_mask, pack_patch, unpack_bits, unpack_mask, unpack_patch
from medseg.patch import MaskPatch
from medseg.protocol import messages as m
from medseg.protocol.problems import CODES, code_of, from_problem, to_problem

MODEL = m.ModelInfo("x", "1", None, ["point"], ["3d"], True, False, "Apache-2.0", None)
EXAMPLES = [
    m.Welcome("0", [1], ["raw"], ["cpu"], [MODEL], "x", [], m.Limits(1, 2, 3, 4, 5.0)),
    m.ImageOffer("d", [1, 2, 3], "int16", np.eye(4).tolist(), "raw", 1, 1, "CT", True),
    m.ImageStatus("d", [0, 2], False),
    m.SessionRequest("d", history={"a": [1]}),
    m.SessionInfo("s", "d", MODEL, 1, [{"kind": "point"}], 0, 5, 0.5, True, False, 9.0),
    m.ActionRequest("r", 0, "add", prompts=[{"kind": "point"}]),
    m.ActionReply("r", 1, {"start": [0, 0, 0]}, 0.1, 5, 0.5, ["note"]),
    m.JobRequest("r", "batch", objects=[{"name": "x"}]),
    m.JobInfo("j", "s", "running", 0.5, 3),
    m.JobEvent(1, "frame", 0.5, index=3, confidence=1.0),
    m.EstimateRequest([1, 2, 3]),
    m.Estimate("cpu", 1.0, 0.1, 10, None, True, "fits"),
]


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda e: type(e).__name__)
def test_there_and_back_through_json(message):
    data = json.loads(json.dumps(m.encode(message)))
    assert m.decode(type(message), data) == message
    assert m.decode(type(message), {**data, "of_the_future": 1}) == message


@pytest.mark.parametrize("message", EXAMPLES, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    "wrong",
    [[], {}, "x", 1.5, True, 10**400],
    ids=["list", "dict", "text", "fraction", "bool", "huge"],
)
def test_fields_of_another_type_are_named(message, wrong):
    data, refused = m.encode(message), 0
    for name in (f.name for f in fields(message) if f.name in data):
        with suppress(InputError):
            assert getattr(m.decode(type(message), {**data, name: wrong}), name) == wrong
            continue
        refused += 1
        with pytest.raises(InputError, match=name):
            m.decode(type(message), {**data, name: wrong})
    assert refused


@pytest.mark.parametrize("data", [None, 1, "x", [], {}, {"request": "r"}])
def test_incomplete_messages_are_refused(data):
    with pytest.raises(InputError):
        m.decode(m.ActionRequest, data)


@pytest.mark.parametrize("code", CODES)
def test_errors_keep_their_class_and_sentence(code):
    kind, status = CODES[code]
    data = json.loads(json.dumps(to_problem(kind("Do this."))))
    assert data["status"] == status
    again = from_problem(data)
    assert type(again) is kind
    assert str(again) == "Do this."


def test_every_error_for_users_has_a_code():
    kinds, known = [errors.MedsegError], {kind for kind, _ in CODES.values()}
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind is not errors.MedsegError and kind.__module__ == "medseg.errors":
            assert kind in known


def test_faults_of_ours_tell_nothing():
    data = to_problem(ValueError("Doe^Jane"))
    assert code_of(ValueError()) == "internal"
    assert "Jane" not in json.dumps(data)
    assert type(from_problem(data)) is errors.RemoteError


@pytest.mark.parametrize("data", [None, [], "x", {}, {"type": 5, "detail": None}])
def test_nonsense_instead_of_a_problem_is_a_remote_error(data):
    assert type(from_problem(data)) is errors.RemoteError


def test_masks_and_patches_come_back():
    rng = np.random.default_rng(0)
    for _ in range(60):
        shape = tuple(rng.integers(1, 9, 3))
        mask = rng.random(shape) < rng.choice([0, 0.02, 0.5, 1])
        data = json.loads(json.dumps(pack_mask(mask)))
        assert np.array_equal(unpack_mask(data, shape), mask)
        assert Bits.from_dict(data) == Bits.of(mask)
        before = rng.random(shape) < 0.5
        patch = MaskPatch.between(before, mask)
        unpack_patch(json.loads(json.dumps(pack_patch(patch))), shape).apply(before)
        assert np.array_equal(before, mask)


def test_a_packed_mask_that_bursts_is_refused_cheaply():
    bomb = base64.b64encode(zlib.compress(bytes(64 << 20), 9)).decode()
    tracemalloc.start()
    with pytest.raises(InputError, match="damaged"):
        unpack_bits(bomb, (4, 4, 4))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


GOOD = pack_mask(np.eye(3, dtype=bool)[None])


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": [1, 3]},
        {"shape": [1, 3, 2]},
        {"shape": [1, 3, True]},
        {"shape": [2**20, 2**20, 2**20]},
        {"shape": [0, 3, 3]},
        {"start": [-1, 0, 0]},
        {"start": [0, 1, 0]},
        {"start": None},
        {"size": [1, 3, -3]},
        {"size": [1, 2, 3]},
        {"bits": ""},
        {"bits": "%%%"},
        {"bits": "\u00e4"},
        {"bits": GOOD["bits"][:-4]},
        {"bits": 5},
    ],
)
def test_damaged_masks_are_refused(wrong):
    assert unpack_mask(GOOD).sum() == 3
    with pytest.raises(InputError):
        unpack_mask({**GOOD, **wrong})
