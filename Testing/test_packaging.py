"""What the CMake files promise: every file is in the installed extension."""

import re
import struct
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULE = ROOT / "MedSegFoundation"
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


def test_only_the_module_itself_lies_where_slicer_looks_for_modules():
    assert [p.name for p in MODULE.glob("*.py")] == ["MedSegFoundation.py"]


def test_the_project_has_the_name_of_the_extension():
    assert "project(MedSegFoundation)" in (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["HOMEPAGE", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS"])
def test_the_index_finds_what_it_asks_for(name):
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert len(re.findall(rf'^set\(EXTENSION_{name} "[^"]+"\)$', text, re.MULTILINE)) == 1


def test_the_icon_is_a_png_of_the_size_slicer_shows():
    header = (MODULE / "Resources/Icons/MedSegFoundation.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", header[16:]) == (128, 128)
