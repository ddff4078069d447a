"""Imports go downwards only: engine below scene below user interface."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "MedSegFoundation"
ENGINE = {"numpy", "scipy", "SimpleITK", "requests"}
SCENE = {"medseg", "numpy", "vtk", "slicer"}
UPSTAIRS = {"slicer", "qt", "ctk", "PythonQt", "vtk", "medseg_scene", "MedSegFoundation"}
HEAVY = {"torch", "transformers", "safetensors", "nibabel", "pydicom", "matplotlib", "fastapi", "blosc2", "ray"}
#: Modules that only someone who asked for these packages imports; `requests` brings urllib3.
EXTRAS = {
    "medseg/models/*net*.py": {"torch", "safetensors"},
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


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.py")), ids=ids)
def test_module_files_load_nothing_heavy(path):
    names = foreign(imported(path, at_load_only=True))
    assert names <= SCENE | {"medseg_scene", "qt", "ctk"}
    assert not imported(path) & HEAVY


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
