"""What the CMake files promise: every file is in the installed extension."""

import json
import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "MedSegFoundation"
PROJECT = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
LISTS = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")


def listed(variable):
    block = re.search(rf"set\({variable}\n(.*?)\n\s*\)", LISTS, re.DOTALL)
    return [line.strip() for line in block.group(1).splitlines() if line.strip()]


def present():
    made = {"__pycache__", "medseg.egg-info"}
    paths = [p.relative_to(MODULE) for p in MODULE.rglob("*") if p.is_file()]
    return {str(p) for p in paths if not made & set(p.parts)} - {"CMakeLists.txt"}


def scripts(paths):
    return sorted(p for p in paths if p.endswith(".py"))


def test_every_script_is_listed_in_order():
    assert listed("MODULE_PYTHON_SCRIPTS") == scripts(present())


def test_every_resource_is_listed_in_order():
    assert listed("MODULE_PYTHON_RESOURCES") == sorted(present() - set(scripts(present())))


def test_only_modules_lie_where_slicer_looks_for_modules():
    modules = ["MedSegFoundation.py", "SegmentEditorMedSegFoundation.py"]
    assert sorted(p.name for p in MODULE.glob("*.py")) == modules


def told(name):
    """What the project says to the Extensions Index."""
    (value,) = re.findall(rf'^set\(EXTENSION_{name} "([^"]+)"\)$', PROJECT, re.MULTILINE)
    return value


@pytest.mark.parametrize(
    "name", ["HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS"]
)
def test_the_index_finds_what_it_asks_for(name):
    assert told(name)


def test_pictures_of_the_index_are_in_the_repository():
    base = told("HOMEPAGE").replace("github.com", "raw.githubusercontent.com") + "/main/"
    for url in [told("ICONURL"), *told("SCREENSHOTURLS").split()]:
        assert url.startswith(base)
        assert (ROOT / url.removeprefix(base)).suffix in (".png", ".jpg")
        assert (ROOT / url.removeprefix(base)).is_file()


def test_the_entry_of_the_index_says_what_the_project_says():
    path = ROOT / "Resources" / "MedSegFoundation.json"
    text = path.read_bytes().decode()
    entry = json.loads(text)
    assert text == json.dumps(entry, indent=2, sort_keys=True) + "\n"
    assert f"project({path.stem})" in PROJECT
    assert entry["category"] == told("CATEGORY")
    assert (entry["build_dependencies"] or ["NA"]) == told("DEPENDS").split()
    assert entry["scm_url"] == told("HOMEPAGE")
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    name = entry["scm_url"].rpartition("/")[2]
    assert name.startswith("Slicer")
    assert not path.stem.startswith("Slicer")
    assert set(entry) <= {
        "$schema",
        "build_dependencies",
        "build_subdirectory",
        "category",
        "scm_revision",
        "scm_type",
        "scm_url",
        "tier",
    }


def test_every_effect_has_an_icon_that_is_installed():
    effects = {
        p.stem.removesuffix("Effect") for p in (MODULE / "medseg_effects").glob("MedSeg*.py")
    }
    icons = {Path(name).stem for name in listed("MODULE_PYTHON_RESOURCES") if "Icons/" in name}
    assert effects
    assert effects <= icons


def test_the_icon_is_a_png_of_the_size_slicer_shows():
    header = (MODULE / "Resources/Icons/MedSegFoundation.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:]) == (128, 128)
