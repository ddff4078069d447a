"""What the embedded model promises about every prompt: pure, local, and never against a click."""

import resource
import time

import medseg
import numpy as np
import pytest
from medseg import Box, Image, InputError, PromptError, Session, Text, find
from phantoms import affine, at, ball, dice, image, middle

BALL = ball()
FAR = ball((40, 44, 90), radius=7, centre=(20, 20, 75))
NEAR = ball((40, 44, 90), radius=9, centre=(20, 20, 20))


@pytest.fixture
def scan():
    return image(NEAR | FAR)


@pytest.fixture
def session(scan):
    return Session(scan, find())


@pytest.fixture
def prompts(scan):
    return [
        at(scan, (20, 20, 20)),
        at(scan, (20, 20, 75)),
        at(scan, (20, 34, 20), include=False),
        at(scan, (24, 20, 22)),
    ]


def test_the_same_prompts_give_the_same_mask(scan, session, prompts):
    for prompt in prompts:
        session.add(prompt)
    again = Session(scan, find())
    again.add(*prompts)
    np.testing.assert_array_equal(again.mask, session.mask)


def test_undo_and_redo_give_the_same_masks(session, prompts):
    masks = [session.mask.copy()]
    for prompt in prompts:
        session.add(prompt)
        masks.append(session.mask.copy())
    for mask in masks[-2::-1]:
        session.undo()
        np.testing.assert_array_equal(session.mask, mask)
    for mask in masks[1:]:
        session.redo()
        np.testing.assert_array_equal(session.mask, mask)


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_removed_prompt_was_never_given(scan, session, prompts, index):
    for prompt in prompts:
        session.add(prompt)
    session.remove(index)
    fresh = Session(scan, find())
    fresh.add(*(p for n, p in enumerate(prompts) if n != index))
    np.testing.assert_array_equal(session.mask, fresh.mask)


def test_a_clicked_voxel_obeys(scan, session):
    inside, outside = (20, 20, 20), [(20, 20, 28), (20, 27, 20), (14, 20, 20), (20, 20, 22)]
    session.add(at(scan, inside))
    for n, place in enumerate(outside, start=1):
        session.add(at(scan, place, include=False))
        assert session.mask[inside]
        assert not any(session.mask[p] for p in outside[:n])


def test_no_exclude_click_makes_another_object_vanish(scan, session):
    session.add(at(scan, (20, 20, 20)), at(scan, (20, 20, 75)))
    before = session.mask.copy()
    session.add(at(scan, (20, 36, 20), include=False))
    np.testing.assert_array_equal(session.mask[:, :, 60:], before[:, :, 60:])
    assert session.mask[20, 20, 20]


def test_an_exclude_click_needs_something_to_exclude_from(scan, session):
    with pytest.raises(PromptError, match=r"nothing to exclude from yet; give a prompt inside"):
        session.add(at(scan, (20, 20, 20), include=False))
    assert session.prompts == ()


def test_words_are_refused_by_name(session):
    with pytest.raises(medseg.UnsupportedPromptError, match="does not know 'liver"):
        session.add(Text("liver"))


def test_a_start_mask_alone_is_the_mask(session):
    session.set_mask(NEAR)
    np.testing.assert_array_equal(session.mask, NEAR)


def test_clicks_correct_a_start_mask_and_leave_the_rest(scan, session):
    session.set_mask(NEAR)
    session.add(at(scan, (20, 20, 75)))
    assert dice(session.mask[:, :, 60:], FAR[:, :, 60:]) > 0.8
    np.testing.assert_array_equal(session.mask[:, :, :40], NEAR[:, :, :40])
    session.set_mask(NEAR | FAR)
    session.add(at(scan, (20, 20, 75), include=False))
    assert not session.mask[20, 20, 75]
    np.testing.assert_array_equal(session.mask[:, :, :40], NEAR[:, :, :40])


def test_another_start_mask_is_another_start(scan):
    """Nothing that was kept for one start mask serves the next."""
    click = at(scan, (20, 24, 20))
    once, twice = Session(scan, find()), Session(scan, find())
    twice.set_mask(ball((40, 44, 90), radius=5, centre=(20, 20, 20)))
    twice.add(click)
    for session in (once, twice):
        session.set_mask(NEAR)
        session.add(click)
    np.testing.assert_array_equal(once.mask, twice.mask)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(bad):
    values = np.random.default_rng(0).random((5, 5, 5))
    values[2, 2, 2] = bad
    with pytest.raises(InputError, match="not numbers"):
        Session(Image(values), find())


def test_an_image_without_contrast_is_refused():
    with pytest.raises(InputError, match="the same value"):
        Session(Image(np.full((5, 5, 5), 7)), find())


def test_a_large_field_is_quick_and_fits():
    truth = ball((120, 400, 400), radius=50)
    scan = image(truth, noise=4)
    scan = scan.with_array(scan.array.astype(np.uint8))
    begin = time.process_time()
    session = Session(scan, find())
    session.add(at(scan, middle(truth)))
    session.add(Box(scan.ijk_to_ras(middle(truth)[::-1]), [110, 110, 110]))
    assert dice(session.mask, truth) > 0.9
    assert time.process_time() - begin < 25
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * 2**20


def test_a_real_brain_answers_a_click(shared_data):
    scan = medseg.read_image(shared_data / "mr_brain_mni152" / "mni152_t1.nii.gz")
    session = Session(scan, find())
    place = np.array(scan.shape) // 2
    beside = place + np.array([0, 30, 0])
    session.add(at(scan, place))
    assert session.mask[tuple(place)]
    session.add(at(scan, beside, include=False))
    assert not session.mask[tuple(beside)]


def test_one_click_does_not_take_the_whole_head(shared_data):
    scan = medseg.read_image(shared_data / "mr_brain_mni152" / "mni152_t1.nii.gz")
    step = Session(scan, find()).add(at(scan, np.array(scan.shape) // 2))
    assert step.ml < 1900


def test_the_example_of_the_package_runs(tmp_path, monkeypatch):
    nibabel = pytest.importorskip("nibabel")
    scan = image(BALL, affine(origin=(0.0, -45.0, 30.0)))
    nibabel.save(
        nibabel.Nifti1Image(scan.array.transpose(2, 1, 0), scan.affine), tmp_path / "scan.nii.gz"
    )
    monkeypatch.chdir(tmp_path)
    text = "\n".join(medseg.__doc__.splitlines()[1:])
    exec(compile(text, "medseg", "exec"), {})


def test_every_public_name_is_there():
    assert all(hasattr(medseg, name) for name in medseg.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        medseg.nothing  # noqa: B018
