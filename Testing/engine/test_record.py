"""The record in a segment's tag: what it holds, and when it still describes the mask."""

import numpy as np
import pytest
from fake_model import FakeModel
from medseg import Image, Point, PromptError, Session
from medseg.record import ALGORITHM_NAME, TAG, Record


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
