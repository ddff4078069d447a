"""Air, lung, bone, fat, soft tissue and body in a CT by name: a known phantom, and real CTs."""

import json

import numpy as np
import pytest
from ct_phantom import phantom
from medseg import Image, InputError, Point, PromptError, Session, Text, find, read_image
from medseg.cli import main
from medseg.errors import NothingFoundError
from medseg.io import read_labels, read_segmentation
from medseg.models.embedded.text import Worded, check_hounsfield
from medseg.models.embedded.text_rules import Rules
from medseg.vocabulary import CT_TERMS, TERMINOLOGY_TAG, known
from phantoms import dice, turned

SMALL = {"shape": (50, 80, 120), "spacing": (4.0, 4.0, 5.0)}
CT = phantom(**SMALL)
LEAST = {"air": 0.9, "body": 0.98, "bone": 0.72, "fat": 0.9, "lung": 0.95, "soft tissue": 0.9}
BELLY = phantom(shape=(16, 80, 120), spacing=(4.0, 4.0, 5.0), middle=(0.0, -10.0, -110.0))


def scores(made, names=tuple(LEAST)):
    rules = Rules(made.image)
    return {name: dice(rules.find(name), made.truth[name]) for name in names}


def holds(made, names=tuple(LEAST), slack=0.0):
    found = scores(made, names)
    assert all(found[name] > LEAST[name] - slack for name in names), found


@pytest.fixture(scope="module")
def session():
    return Session(CT.image, find())


@pytest.fixture
def fresh(session):
    session.reset()
    return session


def test_each_term_is_found_on_a_bed_with_mattress_and_blanket():
    holds(CT)


AXES = {
    "oblique": turned() @ np.diag([-1.0, -1.0, 1.0]),
    "left-handed": turned() @ np.diag([1.0, -1.0, 1.0]),
    "sagittal": np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]),
}


@pytest.mark.parametrize("axes", AXES.values(), ids=list(AXES))
def test_any_orientation_will_do(axes):
    shape = (100, 55, 64) if axes[2, 2] == 0 else (52, 76, 112)
    holds(phantom(shape=shape, spacing=(4.2, 4.2, 4.2), axes=axes), slack=0.03)


def test_thick_slices_will_do():
    holds(phantom(shape=(25, 160, 240), spacing=(2.0, 2.0, 10.0)), slack=0.05)


@pytest.mark.parametrize("padding", [-1024.0, -2000.0, -3024.0, 0.0])
def test_padding_is_no_tissue(padding):
    made = phantom(**SMALL, padding=padding, field=195.0)
    holds(made, slack=0.03)


def test_noise_is_borne():
    holds(phantom(**SMALL, noise=35.0), ("body", "lung", "fat", "soft tissue"), slack=0.1)


def test_vessels_full_of_contrast_medium_are_no_bone():
    made = phantom(**SMALL, blood=380.0, kidney=230.0)
    bone = Rules(made.image).find("bone")
    blood = made.truth["soft tissue"] & (made.image.array > 200)
    assert (bone & blood).sum() < 0.12 * blood.sum()
    holds(made)


def test_lungs_cut_by_a_small_field_of_view_are_lungs_still():
    made = phantom(shape=(50, 80, 80), spacing=(3.4, 3.4, 5.0), padding=-3024.0, field=130.0)
    holds(made, ("body", "lung"), slack=0.05)


def test_metal_outshines_nothing_else():
    values = CT.image.array.copy()
    values[20:24, 30:33, 40:43] = 12000
    made = Image(values, CT.image.affine, modality="CT")
    rules = Rules(made)
    for name in ("body", "lung", "fat"):
        assert dice(rules.find(name), CT.truth[name]) > LEAST[name] - 0.02


def test_air_is_in_the_body_and_background_is_not():
    rules = Rules(CT.image)
    body = rules.find("body")
    assert not (rules.find("air") & ~body).any()
    np.testing.assert_array_equal(rules.find("background"), ~body)


def test_no_voxel_is_two_tissues():
    rules = Rules(CT.image)
    several = sum(rules.find(n).astype(int) for n in ("air", "bone", "fat", "lung", "soft tissue"))
    assert (several > 1).mean() < 0.001


def test_what_is_not_there_is_not_found_and_changes_nothing():
    session = Session(BELLY.image, find())
    session.add(Text("fat"))
    before = session.mask.copy()
    with pytest.raises(NothingFoundError, match=r"^There is no lung in this image, as far as"):
        session.add(Text("lung"))
    np.testing.assert_array_equal(session.mask, before)
    assert [p.text for p in session.prompts] == ["fat"]


def test_an_empty_scanner_holds_no_body():
    room = np.random.default_rng(0).normal(-1000, 10, (20, 30, 30)).astype(np.int16)
    room[5:10, 20:22] = 40  # something on the table
    with pytest.raises(NothingFoundError, match=r"There is no|There is no body"):
        Rules(Image(room, np.diag([-4.0, -4.0, 4.0, 1.0]), modality="CT")).find("lung")


# Words among other prompts


def test_words_add_up_and_take_away(fresh):
    fresh.add(Text("lung"))
    lung = fresh.mask.copy()
    fresh.add(Text("Knochen"))
    both = fresh.mask.copy()
    assert (both & lung).sum() == lung.sum()
    fresh.add(Text("lungs", include=False))
    np.testing.assert_array_equal(fresh.mask, both & ~lung)
    fresh.undo()
    np.testing.assert_array_equal(fresh.mask, both)


def test_the_order_is_that_of_the_list(fresh):
    fresh.add(Text("lung"))
    lung = fresh.mask.copy()
    fresh.add(Text("body", include=False), Text("lung"))
    np.testing.assert_array_equal(fresh.mask, lung)


def test_clicks_correct_what_a_word_found(fresh):
    fresh.add(Text("lung"))
    lung = fresh.mask.copy()
    heart = Point([-15.0, 15.0, 40.0])
    fresh.add(heart)
    voxel = fresh.image.voxel_at(heart.position)
    assert fresh.mask[voxel]
    assert not lung[voxel]
    assert (fresh.mask & lung).sum() > 0.95 * lung.sum()
    inside = Point([72.0, 0.0, 60.0], include=False)
    fresh.add(inside)
    assert not fresh.mask[fresh.image.voxel_at(inside.position)]
    assert (fresh.mask & lung).any()


def test_a_word_after_a_click_adds_to_it(fresh):
    fresh.add(Point([75.0, 10.0, -50.0]))
    organ = fresh.mask.copy()
    fresh.add(Text("lung"))
    assert (fresh.mask & organ).sum() == organ.sum()
    assert dice(fresh.mask & ~organ, CT.truth["lung"]) > 0.9


def test_a_session_with_words_can_be_replayed_anywhere(fresh):
    for prompt in (Text("lung"), Point([-15.0, 15.0, 40.0]), Text("bone"), Text("fat")):
        fresh.add(prompt)
    fresh.remove(2)
    again = Session(CT.image, find())
    again.add(Text("lung"), Point([-15.0, 15.0, 40.0]), Text("fat"))
    np.testing.assert_array_equal(again.mask, fresh.mask)


def test_a_word_corrects_a_start_mask(fresh):
    start = np.zeros(CT.image.shape, bool)
    start[10:12, 40:44, 60:64] = True
    fresh.set_mask(start)
    fresh.add(Text("lung"))
    assert fresh.mask[start].all()
    assert dice(fresh.mask, CT.truth["lung"]) > 0.9
    fresh.add(Text("lung", include=False))
    assert fresh.mask.sum() <= start.sum()


def test_there_must_be_something_to_take_a_word_from(fresh):
    with pytest.raises(PromptError, match="nothing to exclude from yet"):
        fresh.add(Text("lung", include=False))
    assert fresh.prompts == ()


def test_masks_that_are_handed_out_are_nobody_elses(fresh):
    opened = Worded(CT.image, fresh._open, "m")
    first = opened.segment([Text("body")])
    first[:] = False
    assert opened.segment([Text("body")]).any()
    assert not opened.find("background").all()


# What is no CT


def image(values, **more):
    return Image(np.asarray(values), np.diag([-2.0, -2.0, 2.0, 1.0]), **more)


RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 255, (6, 20, 20)).astype(np.uint8)


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [
        (image(GREY), "do not look like them"),
        (image(GREY.astype(np.int16), modality="CT"), "do not look like them"),
        (image(CT.image.array[::4, ::2, ::2] + 1024, modality="CT"), "do not look like them"),
        (image(np.clip(CT.image.array[::4, ::2, ::2], -160, 240)), "do not look like them"),
        (image(GREY, modality="MR"), "this image is MR; use clicks or a box"),
        (image(CT.image.array[::4], modality="PT"), "this image is PT"),
        (image(CT.image.array[::4], modality="CT", time_axis=True), "this is a film"),
    ],
    ids=["grey", "grey CT", "offset", "windowed", "MR", "PET", "film"],
)
def test_what_is_no_ct_is_refused_with_a_sentence(picture, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        check_hounsfield(picture)
    assert str(caught.value).count(".") == 1


def test_a_ct_is_known_by_its_values_when_nobody_says_so():
    check_hounsfield(image(CT.image.array))
    check_hounsfield(image(CT.image.array.astype(np.float32)))


# The command line and real images


def test_the_command_line_names_what_it_found(tmp_path):
    import SimpleITK as sitk

    stored = sitk.GetImageFromArray(CT.image.array)
    stored.SetSpacing(SMALL["spacing"])
    sitk.WriteImage(stored, str(tmp_path / "ct.nii.gz"))
    out = tmp_path / "lung.seg.nrrd"
    command = ["segment", str(tmp_path / "ct.nii.gz"), "-o", str(out), "--quiet"]
    assert main([*command, "--text", "Lunge"]) == 0
    segment = read_segmentation(out).segments[0]
    assert (segment.name, segment.tags[TERMINOLOGY_TAG]) == ("lung", known("lung").slicer_entry)
    assert np.allclose(segment.color, known("lung").colour, atol=1e-4)
    assert dice(segment.mask, CT.truth["lung"]) > 0.9
    assert main([*command, "--text", "lung", "--exclude-text", "bone", "--segment", "mine"]) == 0
    assert read_segmentation(out).segments[0].name == "mine"


def test_the_command_line_says_what_it_does_not_know(tmp_path, capsys):
    import SimpleITK as sitk

    sitk.WriteImage(sitk.GetImageFromArray(CT.image.array[:4]), str(tmp_path / "ct.nii.gz"))
    out = str(tmp_path / "o.nrrd")
    assert main(["segment", str(tmp_path / "ct.nii.gz"), "-o", out, "--text", "spleen"]) == 2
    assert "does not know 'spleen'" in capsys.readouterr().err
    assert not (tmp_path / "o.nrrd").exists()


def test_lung_bases_and_bones_of_a_real_abdomen(shared_data):
    files = shared_data / "ct_organs"
    picture = read_image(files / "abdomen_ct.nii.gz")
    labels = read_labels(files / "abdomen_ct_seg.nii.gz", picture).array
    listed = json.loads((files / "abdomen_ct_seg.labels.json").read_text())["labels"]

    def truth(*starts):
        return np.isin(labels, [int(v) for v, e in listed.items() if e["name"].startswith(starts)])

    rules = Rules(picture)
    assert dice(rules.find("lung"), truth("lung")) > 0.93
    assert dice(rules.find("bone"), truth("vertebrae", "rib", "hip", "femur", "sacrum")) > 0.85
    assert rules.find("body")[labels > 0].mean() > 0.999


def test_no_lung_in_a_thigh(shared_data):
    picture = read_image(shared_data / "ct_lesion_sts" / "STS_003" / "dicom" / "CT")
    session = Session(picture, find())
    with pytest.raises(NothingFoundError, match="no lung"):
        session.add(Text("lung"))
    assert {term.name for term in CT_TERMS} > {"lung"}


@pytest.mark.parametrize("name", ["dicom_small_head_ct", "dicom_flipped_xy"])
def test_a_ct_that_is_not_in_hounsfield_units_is_refused(shared_data, name):
    with pytest.raises(InputError, match="do not look like them"):
        check_hounsfield(read_image(shared_data / "geometry" / name))
