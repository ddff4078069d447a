"""Words: what is understood, what is refused and why, and that every way in carries them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_model import FakeModel
from medseg import Image, PromptError, Session, Text, UnsupportedPromptError, find
from medseg.cli import main
from medseg.client.model import RemoteModel
from medseg.errors import NothingFoundError
from medseg.model import check_prompt
from medseg.prompts import Point
from medseg.protocol import messages
from medseg.protocol.problems import from_problem, to_problem
from medseg.service.devices import info_of
from medseg.vocabulary import (
    CT_TERMS,
    Term,
    check,
    known,
    lookup,
    meant,
    named,
    normalise,
    told_by,
    words,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("lung", "lung"),
        ("  The LUNGS! ", "lung"),
        ("Lungenflügel", None),
        ("Lunge", "lung"),
        ("poumons", "lung"),
        ("pulmón", "lung"),
        ("Left lung", "left lung"),
        ("lung (right)", "right lung"),
        ("rechter Lungenflügel", "right lung"),
        ("poumon gauche", "left lung"),
        ("lung_left", "left lung"),
        ("bones", "bone"),
        ("Knochen", "bone"),
        ("os", "bone"),
        ("adipose tissue", "fat"),
        ("adipose-tissues", "fat"),
        ("body surface", "body"),
        ("Körper", "body"),
        ("KOERPER", "body"),
        ("External", "body"),
        ("Weichteile", "soft tissue"),
        ("tissus mous", "soft tissue"),
        ("bowel gas", "air"),
        ("Luft", "air"),
        ("outside air", "background"),
        ("lung tumour", None),
        ("", None),
        ("!?", None),
    ],
)
def test_a_word_is_known_in_any_spelling(text, name):
    term = lookup(text, CT_TERMS)
    assert (term and term.name) == name


def test_no_word_means_two_things():
    plain = [normalise(word) for word in words(CT_TERMS)]
    assert "" not in plain
    for term in CT_TERMS:
        others = [t for t in CT_TERMS if t is not term]
        assert all(lookup(word, others) is None for word in (term.name, *term.synonyms))


def test_every_term_has_codes_a_colour_and_says_what_it_holds():
    for term in CT_TERMS:
        for code in (term.category, term.type):
            value, scheme, meaning = code
            assert value.isdigit()
            assert scheme in ("SCT", "DCM")
            assert meaning
        assert all(0 <= part <= 1 for part in term.colour)
        assert term.about
        assert term.slicer_entry.count("~") == 6


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lnug", "does not know 'lnug'; did you mean 'lung'?"),
        ("liver", "TotalSegmentator, VISTA3D or VoxTell may find it by name"),
        ("lingula of the lung", "(it knows only lung as a whole); TotalSegmentator, VISTA3D or"),
        ("left kidney", "TotalSegmentator, VISTA3D or VoxTell may find it by name"),
        ("liver metastases", "VISTA3D (tumours of lung, liver, pancreas, colon and bone) or"),
        ("hip implant cup", "TotalSegmentator"),
        ("the thing I mean", "VoxTell or SAM 3, which take free text, may find it"),
        ("x" * 500, "does not know 'xxxx"),
    ],
)
def test_an_unknown_word_is_refused_with_a_way_out(text, sentence):
    with pytest.raises(UnsupportedPromptError) as caught:
        check(text, CT_TERMS, "geodesic-cut")
    said = str(caught.value)
    assert sentence in said
    assert said.startswith("Model 'geodesic-cut' does not know")
    assert len(said) < 300
    assert "\n" not in said


@pytest.mark.parametrize("text", ["", "   ", "...", "the"])
def test_a_text_without_words_is_refused(text):
    with pytest.raises(PromptError, match=r"^The text names nothing; type a word such as 'lung'.$"):
        check(text, CT_TERMS, "m")


def test_near_misses_are_suggested_best_first():
    assert meant("bnoe", CT_TERMS) == ["bone"]
    assert meant("zebra", CT_TERMS) == []


def test_the_word_is_checked_before_anything_is_computed():
    model = FakeModel(prompts=frozenset({"text"}), vocabulary=CT_TERMS)
    session = Session(Image(np.zeros((2, 2, 2), np.int16)), model)
    with pytest.raises(UnsupportedPromptError, match="does not know 'liver'"):
        session.add(Text("liver"))
    assert (session.prompts, model.calls) == ((), [])


def test_a_model_without_a_list_takes_any_words():
    check_prompt(FakeModel(prompts=frozenset({"text"})), Text("the third rib from below"))


def test_which_term_names_a_segment():
    point = Point([0, 0, 0])
    assert told_by([point]) is None
    assert told_by([Text("Lungs"), point, Text("bone", include=False)]) == known("lung")
    assert told_by([Text("lung"), Text("bone")]) is None
    assert told_by([Text("lung"), Text("Lunge")]) == known("lung")
    assert told_by([Text("spleen")]) is None


def test_terms_travel_by_name():
    info = info_of(find())
    assert info.terms == [term.name for term in CT_TERMS]
    data = json.loads(json.dumps(messages.encode(info)))
    assert messages.decode(messages.ModelInfo, data) == info
    assert RemoteModel(info).capabilities.vocabulary == CT_TERMS
    older = {key: value for key, value in data.items() if key != "terms"}
    assert messages.decode(messages.ModelInfo, older).terms == []
    assert named(["spleen", "lung"]) == (Term("spleen"), known("lung"))
    assert Term("spleen").slicer_entry == ""


def test_nothing_found_travels_as_what_it_is():
    problem = to_problem(NothingFoundError("There is no lung in this image."))
    assert problem["status"] == 422
    again = from_problem(problem)
    assert type(again) is NothingFoundError
    assert str(again) == "There is no lung in this image."


def test_models_says_how_many_words_and_which(capsys):
    assert main(["models"]) == 0
    assert "text (9 terms)" in capsys.readouterr().out
    assert main(["models", "--json"]) == 0
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    embedded = next(one for one in listed if one["name"] == "geodesic-cut")
    assert "lung" in embedded["terms"]
    assert "text" in embedded["prompts"]


def test_a_text_can_be_replaced_like_any_prompt():
    assert replace(Text("lung"), include=False).include is False
