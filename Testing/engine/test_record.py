"""The record in a segment's tag: what it holds, and when it still describes the mask."""

import json

import numpy as np
import pytest
from fake_model import FakeModel
from medseg import Image, InputError, Point, PromptError, Session
from medseg.actions import Accept, from_data
from medseg.history import History
from medseg.patch import MaskPatch
from medseg.record import ALGORITHM_NAME, TAG, Record
from medseg.story import Story


@pytest.fixture
def session():
    made = Session(Image(np.zeros((3, 4, 5))), FakeModel())
    made.add(Point([1, 2, 0]))
    return made


def test_a_record_survives_its_text(session):
    hand = session.mask.copy()
    hand[2, 1:3, 4] = True
    session.set_mask(hand)
    session.add(Point([0, 0, 0]))
    again = Record.loads(Record.of(session).dumps())
    assert (len(again.prompts), again.baked) == (2, 1)
    np.testing.assert_array_equal(again.start.mask(), hand)
    assert again.model == {"name": "fake", "version": "1", "weights_hash": None}


STORY = Story("geodesic-cut", "k", (1,), 0, 2, {"memory": "a|b"}, {0: 0.5, 2: 0.25})


def test_how_a_mask_was_propagated_is_kept_until_there_is_none(session):
    patch = MaskPatch((2, 0, 0), np.ones((1, 2, 2), bool))
    session.do(Accept(patch, story=STORY))
    session.add(Point([0, 0, 0]))
    session.set_mask(~session.mask)
    again = Record.loads(Record.of(session).tags()[TAG])
    assert again.story == STORY
    other = Session(session.image, FakeModel())
    other.resume(History.from_dict(session.history.to_dict(), session.image.shape))
    assert Record.of(other).story == STORY
    session.reset()
    assert Record.of(session).story is None
    session.undo()
    session.undo()
    session.undo()
    assert Record.of(session).story == STORY
    session.undo()
    assert Record.of(session).story is None


def test_a_story_travels_with_the_action_and_is_told_in_a_line():
    sent = Accept(MaskPatch((0, 0, 0), np.ones((1, 1, 1), bool)), story=STORY)
    data = json.loads(json.dumps(sent.data()))
    assert from_data("accept", data, (3, 4, 5)).story == STORY
    assert str(STORY) == "geodesic-cut: slices along k 0 to 2 from 1; memory a|b"
    film = Story("sam2", "t", (3, 8), 0, 9, {"weights": "0123456789abcdef", "memory": "fifo"})
    assert str(film) == "sam2: frames 0 to 9 from 3, 8; weights 0123456789ab, memory fifo"


@pytest.mark.parametrize(
    "wrong",
    [{"first": float("inf")}, {"confidence": {"0": float("nan")}}, {"seeds": 3}, {"rules": None}],
)
def test_a_story_that_is_none_is_refused(wrong):
    with pytest.raises(InputError, match="story of a propagation cannot be read"):
        Story.from_dict({**STORY.to_dict(), **wrong})
    assert Story.from_dict(json.loads(json.dumps(STORY.to_dict()))) == STORY


def test_tags_hold_no_bar_and_name_the_algorithm(session):
    session.model.name = "a|b"
    tags = Record.of(session).tags()
    assert all("|" not in value for value in tags.values())
    assert tags[ALGORITHM_NAME] == "a/b 1"
    assert Record.loads(tags[TAG]).model["name"] == "a|b"


def test_a_record_describes_its_own_mask_and_grid_only(session):
    record = Record.of(session)
    assert record.describes(session.image, session.mask)
    assert not record.describes(session.image, ~session.mask)
    moved = Image(session.image.array, np.diag([2.0, 1, 1, 1]))
    assert not record.describes(moved, session.mask)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("{", "cannot be read"), ("{}", "cannot be read"), ('{"medseg_session": 99}', "newer medseg")],
)
def test_a_broken_record_says_why(text, sentence):
    with pytest.raises(PromptError, match=sentence):
        Record.loads(text)
