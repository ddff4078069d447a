"""Imports go downwards only: engine below scene below user interface."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "MedSegFoundation"
ENGINE = {"numpy", "scipy", "SimpleITK", "requests"}
SCENE = {"medseg", "numpy", "vtk", "slicer"}
#: Slicer's Python side, and its package with the base class of effects.
FACE = SCENE | {"medseg_scene", "medseg_face", "qt", "ctk", "SegmentEditorEffects"}
#: Standard library that waits, or runs beside the window's own loop.
BLOCKING = {"asyncio", "concurrent", "ftplib", "http", "multiprocessing", "queue", "requests"}
BLOCKING |= {"select", "selectors", "smtplib", "socket", "ssl", "subprocess", "threading", "urllib"}
UPSTAIRS = {"slicer", "qt", "ctk", "PythonQt", "vtk", "SegmentEditorEffects"}
UPSTAIRS |= {"medseg_scene", "medseg_face", "medseg_effects", "MedSegFoundation"}
HEAVY = {
    "torch",
    "transformers",
    "safetensors",
    "nibabel",
    "pydicom",
    "matplotlib",
    "fastapi",
    "blosc2",
    "ray",
}
#: Modules that only someone who asked for these packages imports; `requests` brings urllib3.
EXTRAS = {
    "medseg/models/*net*.py": {"torch", "safetensors"},
    "medseg/models/sam/attention.py": {"torch"},
    "medseg/models/sam/hiera.py": {"torch"},
    "medseg/models/sam/network.py": {"torch"},
    "medseg/models/sam/video.py": {"torch"},
    "medseg/client/*.py": {"urllib3"},
    "medseg/server/*.py": {"anyio", "fastapi", "h11", "starlette", "uvicorn"},
    "medseg/server/ray_*.py": {"ray"},
}


def files(package):
    return sorted((ROOT / package).rglob("*.py"))


SERVING = [p for p in files("medseg") if p.parts[-2] not in ("server", "cli")]


def ids(path):
    return str(path.relative_to(ROOT))


def imported(path, *, at_load_only=False):
    """Top-level packages that a file imports; with ``at_load_only`` those of functions not."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = list(_at_load(tree)) if at_load_only else list(ast.walk(tree))
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def siblings(path):
    """First names of what a file imports from inside `medseg`, also in functions."""
    found = set()
    depth = len(path.relative_to(ROOT / "medseg").parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            named = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {name.split(".")[0] for name in named}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("medseg."):
            found.add(node.module.split(".")[1])
    return found


def _at_load(node):
    for child in ast.iter_child_nodes(node):
        is_function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        is_for_types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not is_function and not is_for_types:
            yield child
            yield from _at_load(child)


def foreign(names):
    return names - set(sys.stdlib_module_names) - {"__future__"}


@pytest.mark.parametrize("path", files("medseg"), ids=ids)
def test_the_engine_loads_only_what_slicer_ships(path):
    allowed = ENGINE | {"medseg"}
    for pattern, packages in EXTRAS.items():
        allowed |= packages if path.match(pattern) else set()
    assert foreign(imported(path, at_load_only=True)) <= allowed


@pytest.mark.parametrize("path", files("medseg"), ids=ids)
def test_the_engine_never_reaches_up(path):
    assert not imported(path) & UPSTAIRS


@pytest.mark.parametrize("path", SERVING, ids=ids)
def test_only_the_command_line_and_the_server_know_the_server(path):
    assert "server" not in siblings(path)


@pytest.mark.parametrize("path", files("medseg_scene"), ids=ids)
def test_the_scene_layer_knows_no_user_interface(path):
    assert foreign(imported(path)) <= SCENE


MODULES = sorted(ROOT.glob("*.py"))
#: pip in Slicer's Python, the one thing that may take its time: its error, and PyTorch's installer.
PIP = ROOT / "medseg_face" / "setup" / "slicer_python.py"
WINDOWS = [*MODULES, *files("medseg_face"), *files("medseg_effects")]


@pytest.mark.parametrize("path", WINDOWS, ids=ids)
def test_windows_load_only_slicer_and_the_floors_below(path):
    allowed = FACE | ({"medseg_effects"} if path in MODULES else set())
    allowed |= {"PyTorchUtils"} if path == PIP else set()
    assert foreign(imported(path)) <= allowed


@pytest.mark.parametrize("path", WINDOWS, ids=ids)
def test_windows_never_wait(path):
    assert imported(path) & BLOCKING <= ({"subprocess"} if path == PIP else set())


@pytest.mark.parametrize("path", files("medseg_scene"), ids=ids)
def test_the_scene_layer_never_waits_either(path):
    assert not imported(path) & BLOCKING


@pytest.mark.parametrize("path", files("medseg_face"), ids=ids)
def test_the_shared_windows_know_no_single_effect(path):
    assert not imported(path) & {"medseg_effects", "MedSegFoundation"}


def test_what_slicer_loads_at_start_up_is_light():
    """The hidden module and the effects' classes: no floor below until an effect is used."""
    paths = [ROOT / "SegmentEditorMedSegFoundation.py", ROOT / "medseg_face" / "effect.py"]
    for path in [*paths, *files("medseg_effects")]:
        names = foreign(imported(path, at_load_only=True))
        assert names <= {"slicer", "vtk", "SegmentEditorEffects", "medseg_face"}, path


def test_imports_inside_functions_are_seen_as_such(tmp_path):
    path = tmp_path / "sample.py"
    path.write_text(
        "import numpy\nfrom a.b import c\ntry:\n    import d\nexcept ImportError:\n    pass\n"
        "def f():\n    import torch\n"
    )
    assert imported(path, at_load_only=True) == {"numpy", "a", "d"}
    assert imported(path) == {"numpy", "a", "d", "torch"}


FIND = """
import sys
HEAVY = {heavy!r}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY:
            raise ImportError(name + " is blocked by the test")

sys.meta_path.insert(0, Blocker())
import medseg
print(medseg.find().name)
assert not HEAVY & set(sys.modules), HEAVY & set(sys.modules)
"""


def test_the_default_model_is_found_without_any_optional_package():
    command = [sys.executable, "-c", FIND.format(heavy=HEAVY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "geodesic-cut"
