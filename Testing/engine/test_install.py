"""What models need: plans and environments, made by the real pip from wheels of this test."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from medseg import InputError
from medseg.cli import main
from medseg.errors import CancelledError
from medseg.install import BASE, NEEDS, Environments, Stop, find_pythons, plan_into
from medseg.install.plan import refusal
from medseg.install.processes import STARTUP, environment, look, run
from wheels import BASE as BASE_WHEELS
from wheels import base_wheels, wheel

posix = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts and signals")


@pytest.fixture
def links(tmp_path):
    return base_wheels(tmp_path / "wheels")


@pytest.fixture
def made(tmp_path, links):
    return Environments(tmp_path / "environments", offline(links))


def offline(links):
    return ["--no-index", "--find-links", str(links)]


def no(line):
    """Nobody listens."""


def left(folder):
    """Folders of environments that are still there."""
    return sorted(p.name for p in Path(folder).iterdir() if p.is_dir())


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


# Plans.


def test_a_plan_for_a_python_in_use_names_what_it_would_replace(tmp_path, links, monkeypatch):
    """Packages of this Python: those that Slicer is built on stay, others may be replaced."""
    there = look(sys.executable, Stop())["packages"]
    idna = there["idna"]
    wheel(links, "idna", "99.0")
    wheel(links, "lab-tool", "1.0", requires=["idna>=99", f"numpy=={there['numpy']}"])
    monkeypatch.setattr("medseg.install.needs.requirements", lambda names: ["lab-tool"])
    plan = plan_into(sys.executable, ["torch"], offline(links), no, Stop())
    assert [(i.name, i.version, i.installed) for i in plan.replaced] == [("idna", "99.0", idna)]
    assert {i.name for i in plan.items} == {"lab-tool", "idna"}


def test_a_plan_that_would_replace_numpy_is_refused(tmp_path, links, monkeypatch):
    wheel(links, "numpy", "99.0")
    wheel(links, "lab-tool", "1.0", requires=["numpy>=99"])
    monkeypatch.setattr("medseg.install.needs.requirements", lambda names: ["lab-tool"])
    with pytest.raises(InputError, match=r"numpy==.* stay.*use an environment of its own"):
        plan_into(sys.executable, ["torch"], offline(links), no, Stop())


def test_why_pip_could_not_is_one_sentence():
    lines = ["Looking in links: x", "ERROR: No matching distribution found for torch>=2.4"]
    assert refusal(lines).startswith("pip found no way: No matching distribution found for torch")
    assert refusal([]).count(".") == 2
    assert "too old" in refusal(["Usage: pip install", "no such option: --dry-run"])


# Environments.


def test_an_environment_comes_and_goes_as_a_whole(made, links):
    """One story, since each environment takes seconds."""
    first = made.install(sys.executable, ["torch"], no, Stop())
    assert made.current() == first
    assert first.needs == ("torch",)
    assert first.packages["torch"] == "2.13.0"
    code, lines = run([str(first.python), "-c", "import torch; print(torch.__file__)"], no, Stop())
    assert code == 0
    assert lines[0].startswith(str(first.folder))

    with pytest.raises(InputError, match=r"pip found no way: .*transformers"):
        made.install(sys.executable, ["sam"], no, Stop())
    assert made.current() == first
    assert left(made.folder) == [first.folder.name]

    wheel(links, "torch", "2.13.1", code="raise ImportError('no such operator')")
    with pytest.raises(InputError, match=r"'torch' was installed but does not load \(.*operator"):
        made.install(sys.executable, ["torch"], no, Stop())
    assert made.current() == first
    next(links.glob("torch-2.13.1*")).unlink()

    second = made.install(sys.executable, ["torch"], no, Stop())
    assert second.folder != first.folder
    assert first.python.exists()  # a helper may still run from it

    plan = made.plan(sys.executable, ["torch"], no, Stop())
    found = {item.name: item for item in plan.items}
    assert set(found) == {*BASE_WHEELS, "torch", "safetensors", "filelock"}
    assert (found["torch"].version, found["torch"].installed) == ("2.13.0", None)
    assert (found["torch"].asked, found["filelock"].asked) == (True, False)
    assert found["torch"].megabytes == next(links.glob("torch-*")).stat().st_size / 1e6
    assert plan.replaced == ()
    assert left(made.folder) == [second.folder.name]  # the first one is swept away

    assert made.remove()
    assert made.current() is None
    assert left(made.folder) == []
    assert not made.remove()


# Pythons that cannot.


@posix
def test_a_python_without_venv_says_what_to_install(made, tmp_path):
    facts = json.dumps({"version": [3, 12, 1], "prefix": "/", "venv": False, "packages": {}})
    bare = script(tmp_path / "bare", f"echo '{facts}'")
    with pytest.raises(InputError, match=r"lacks venv .*python3-venv"):
        made.plan(bare, ["torch"], no, Stop())


@posix
def test_a_python_that_lives_only_in_its_program_says_so(made, tmp_path):
    """As Slicer's may: `venv` runs, but the copy it makes does not start."""
    own = script(
        tmp_path / "own",
        f'if [ "$2" = venv ]; then mkdir -p "$3/bin"; else exec {sys.executable} "$@"; fi',
    )
    with pytest.raises(InputError, match="cannot make an environment that runs on its own"):
        made.plan(own, ["torch"], no, Stop())
    assert left(made.folder) == []


@posix
def test_an_old_python_is_refused(made, tmp_path):
    facts = json.dumps({"version": [3, 9, 10], "prefix": "/", "venv": True, "packages": {}})
    old = script(tmp_path / "old", f"echo '{facts}'")
    with pytest.raises(InputError, match=r"is Python 3\.9\.10; name one of 3\.10 or newer"):
        made.plan(old, ["torch"], no, Stop())


@pytest.mark.parametrize("name", ["no-such-python", os.devnull])
def test_what_is_no_python_is_refused(made, name):
    with pytest.raises(InputError, match="is no Python that runs"):
        made.plan(name, ["torch"], no, Stop())


def test_pythons_of_this_computer_are_found():
    found = find_pythons()
    assert found[0] == sys.executable
    assert len(found) == len({str(Path(p).resolve()) for p in found})


def test_another_python_gets_the_environment_that_slicer_was_started_in(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "slicer")
    monkeypatch.setenv("LD_LIBRARY_PATH", "slicer")
    assert environment(sys.executable)["PYTHONHOME"] == "slicer"
    assert "PYTHONHOME" not in environment("python3")
    assert environment("python3")["LD_LIBRARY_PATH"] == "slicer"
    monkeypatch.setenv(STARTUP, json.dumps({"PATH": "/bin", "PYTHONPATH": "x"}))
    assert environment("python3") == {"PATH": "/bin"}


# Stopping.

SLOW = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
pathlib.Path({path!r}).write_text(str(child.pid))
time.sleep(120)
"""


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@posix
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_stopping_kills_the_tree_and_keeps_nothing(tmp_path, links):
    pid = tmp_path / "pid"
    wheel(links, "torch", "2.13.1", code=SLOW.format(path=str(pid)))
    folder = tmp_path / "environments"
    command = [sys.executable, "-m", "medseg.cli", "setup", "install", "torch", "--attended"]
    command += ["--json", "--folder", str(folder), *offline(links)]
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in running.stdout:
        if "Trying" in line:
            break
    while not (pid.exists() and pid.read_text()):
        time.sleep(0.02)
    child = int(pid.read_text())
    assert alive(child)
    running.stdin.close()
    rest = running.stderr.read()
    assert running.wait() == 130
    for stream in (running.stdin, running.stdout, running.stderr):
        stream.close()
    assert rest.startswith("medseg: Stopped")
    assert left(folder) == []
    while alive(child):
        time.sleep(0.02)


@posix
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_another_thread_stops_what_runs(tmp_path):
    pid, stop = tmp_path / "pid", Stop()

    def ask_when_it_runs():
        while not (pid.exists() and pid.read_text()):
            time.sleep(0.02)
        stop.ask()

    asking = threading.Thread(target=ask_when_it_runs)
    asking.start()
    with pytest.raises(CancelledError):
        run([sys.executable, "-c", SLOW.format(path=str(pid))], no, stop)
    asking.join()
    while alive(int(pid.read_text())):
        time.sleep(0.02)


def test_what_was_stopped_before_does_not_start(made):
    stop = Stop()
    stop.ask()
    with pytest.raises(CancelledError):
        made.plan(sys.executable, ["torch"], no, stop)
    assert left(made.folder) == []


# The command, and what it says.


def test_the_command_plans_and_tells_where_it_stands(tmp_path, links, capsys):
    folder = str(tmp_path / "environments")
    wheel(links, "nninteractive-client", "2.9", requires=["tiny-dep"])
    wheel(links, "tiny-dep", "3.0")
    argv = ["setup", "plan", "nninteractive", "--into", sys.executable, *offline(links)]
    assert main([*argv, "--json"]) == 0
    *_, plan = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert plan["event"] == "plan"
    assert {"tiny-dep"} <= {item["name"] for item in plan["items"]} or not plan["items"]
    assert main(argv) == 0
    assert "package" in capsys.readouterr().out or not plan["items"]
    assert main(["setup", "status", "--json", "--folder", folder]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["environment"] is None
    assert [n["name"] for n in status["needs"]] == [n.name for n in NEEDS]
    assert main(["setup", "remove", "--folder", folder]) == 0
    assert "There was none" in capsys.readouterr().err


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    assert main(["setup", "plan", "gold", "--folder", str(tmp_path / "e")]) == 2
    assert "'gold' is nothing to install; choose torch" in capsys.readouterr().err
    assert main(["setup", "connect"]) == 2
    assert "--server URL" in capsys.readouterr().err


def test_the_needs_are_those_of_the_package():
    """The extras of pyproject.toml of the same names, and its dependencies."""
    tomllib = pytest.importorskip("tomllib")
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]

    def listed(name):
        for line in extras[name]:
            inner = line.removeprefix("medseg[").removesuffix("]")
            yield from listed(inner) if inner in extras else [line]

    assert tuple(project["dependencies"]) == BASE
    for need in NEEDS:
        if need.name in extras:
            assert sorted(listed(need.name)) == sorted(need.requirements), need.name
