"""Prompts are checked on the way in and survive JSON."""

import json

import numpy as np
import pytest
from medseg import Box, Lasso, Point, PromptError, Scribble, Text
from medseg.prompts import dumps, loads, to_dict

TURNED = np.array([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
ONE_OF_EACH = [
    Point([1.5, -2.0, 3.0]),
    Point([0, 0, 0], include=False),
    Box([1, 2, 3], [10, 20, 0], axes=TURNED),
    Scribble([[0, 0, 0], [1, 1, 1]], include=False, radius=2.0, connected=False),
    Lasso([[0, 0, 0], [1, 0, 0], [0, 1, 0]]),
    Text("left kidney | größer"),
]


def test_every_kind_survives_json():
    again = loads(dumps(ONE_OF_EACH))
    assert [to_dict(p) for p in again] == [to_dict(p) for p in ONE_OF_EACH]
    assert [type(p) for p in again] == [type(p) for p in ONE_OF_EACH]


def test_box_corners_may_come_in_any_order():
    box = Box.from_corners([10, -5, 7], [-10, 5, 1])
    np.testing.assert_allclose(box.center, [0, 0, 4])
    np.testing.assert_allclose(box.size, [20, 10, 6])


def test_corners_of_a_turned_box():
    box = Box([0, 0, 0], [10, 4, 2], axes=TURNED)
    corner = TURNED @ [5, 2, 1]
    assert np.isclose(box.positions(), corner).all(axis=1).any()
    assert box.positions().shape == (8, 3)


def test_positions_cannot_be_changed_behind_a_prompt():
    scribble = Scribble([[0, 0, 0]])
    with pytest.raises(ValueError, match="read-only"):
        scribble.points[0, 0] = 1.0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Point([1, 2]), "three numbers"),
        (lambda: Point([1, 2, np.nan]), "not a number"),
        (lambda: Box([0, 0, 0], [1, 0, 0]), "at least two"),
        (lambda: Box([0, 0, 0], [1, -1, 1]), "three edge lengths"),
        (lambda: Box([0, 0, 0], [1, 1, 1], axes=np.ones((3, 3))), "right angles"),
        (lambda: Scribble(np.zeros((0, 3))), "at least one position"),
        (lambda: Lasso([[0, 0, 0], [1, 1, 1]]), "at least three"),
    ],
)
def test_impossible_prompts_are_refused(make, sentence):
    with pytest.raises(PromptError, match=sentence):
        make()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not valid JSON"),
        ("[]", "no 'medseg_prompts'"),
        (json.dumps({"medseg_prompts": 99}), "newer medseg"),
        (json.dumps({"medseg_prompts": 1, "frame": "LPS"}), "RAS and mm"),
        (json.dumps({"medseg_prompts": 1, "prompts": [{"kind": "wish"}]}), "'wish'"),
        (json.dumps({"medseg_prompts": 1, "prompts": [{"kind": "point", "pos": 1}]}), "does not"),
    ],
)
def test_unreadable_json_says_why(text, sentence):
    with pytest.raises(PromptError, match=sentence):
        loads(text)
