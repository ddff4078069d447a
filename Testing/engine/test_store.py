"""The store of models: import, check, remove, and what the list of published models promises."""

import json
import os
import sys
from pathlib import Path

import pytest
from medseg import InputError, ModelError
from medseg.cli import main
from medseg.store import Approvals, File, Store
from medseg.store.lock import locked
from store_kit import CONFIG, CONTENT, FILES, entry, sha256, store


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    (folder / "README.md").write_text("not asked for")
    return folder


@pytest.fixture
def models(tmp_path):
    return store(tmp_path / "models")


def there(folder):
    """Names below a folder but locks."""
    names = sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))
    return [name for name in names if not name.endswith(".lock")]


WHOLE = ["tiny", "tiny/config.json", "tiny/medseg.json", "tiny/model.safetensors"]


def test_nothing_is_made_before_something_is_stored(models):
    assert models.copy("tiny") is None
    assert not models.folder.exists()
    with pytest.raises(ModelError, match="medseg models fetch tiny"):
        models.path("tiny")


def test_a_folder_is_copied_with_its_hashes(models, mine):
    told = []
    copy = models.import_("tiny", mine, lambda *event: told.append(event))
    assert there(models.folder) == WHOLE
    assert models.path("tiny") == copy.path == models.folder / "tiny"
    assert {f.name: f.sha256 for f in copy.files} == {n: sha256(d) for n, d in FILES.items()}
    assert copy.size == len(CONTENT) + len(CONFIG)
    assert ("model.safetensors", len(CONTENT), len(CONTENT)) in told
    assert models.check("tiny") == copy == models.copy("tiny")
    assert sorted(p.name for p in mine.iterdir()) == ["README.md", *sorted(FILES)]


def test_a_single_file_is_the_path(models, tmp_path):
    (tmp_path / "any.pt").write_bytes(CONTENT)
    models.import_("tiny", tmp_path / "any.pt")
    assert models.path("tiny") == models.folder / "tiny" / "any.pt"


def test_a_new_copy_takes_the_place_of_the_old(models, mine, tmp_path):
    models.import_("tiny", mine)
    (tmp_path / "new.pt").write_bytes(b"other weights")
    models.import_("tiny", tmp_path / "new.pt")
    assert there(models.folder) == ["tiny", "tiny/medseg.json", "tiny/new.pt"]


def test_a_failed_import_leaves_the_old_copy(models, mine, tmp_path):
    models.import_("tiny", mine)
    (tmp_path / "page.pt").write_text("<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(ModelError, match="a web page"):
        models.import_("tiny", tmp_path / "page.pt")
    assert there(models.folder) == WHOLE
    models.check("tiny")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.pt", b"version https://git-lfs.github.com/spec/v1\n", "pointer of git-lfs"),
        ("a.txt", b"text", "holds no weights"),
        ("a.pt", b"", "is empty"),
    ],
)
def test_what_is_no_model_is_refused(models, tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises((InputError, ModelError), match=sentence):
        models.import_("tiny", tmp_path / name)
    assert models.copy("tiny") is None


def test_a_folder_without_a_file_is_refused(models, mine):
    (mine / "config.json").unlink()
    with pytest.raises(InputError, match=r"is not Tiny: it has no config\.json"):
        models.import_("tiny", mine)


def test_a_published_hash_is_compared(tmp_path, mine):
    files = tuple(File(name, sha256(b"what was published")) for name in FILES)
    models = store(tmp_path / "models", entry(files=files))
    with pytest.raises(ModelError, match="its SHA-256 differs"):
        models.import_("tiny", mine)
    assert there(models.folder) == []


def test_a_changed_file_is_found(models, mine):
    models.import_("tiny", mine)
    path = models.folder / "tiny" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="has changed since it was stored"):
        models.check("tiny")


def test_a_lost_file_or_record_counts_as_not_stored(models, mine):
    models.import_("tiny", mine)
    (models.folder / "tiny" / "medseg.json").write_text("{}")
    assert models.copy("tiny") is None
    models.import_("tiny", mine)
    (models.folder / "tiny" / "config.json").unlink()
    assert models.copy("tiny") is None


def test_remove_leaves_nothing(models, mine):
    assert not models.remove("tiny")
    models.import_("tiny", mine)
    assert models.remove("tiny")
    assert there(models.folder) == []
    assert not models.remove("tiny")


def test_a_shared_folder_is_read_and_never_touched(tmp_path, mine):
    shared = store(tmp_path / "shared")
    shared.import_("tiny", mine)
    before = there(shared.folder)
    models = store(tmp_path / "models", shared=[shared.folder])
    assert models.path("tiny") == shared.folder / "tiny"
    models.check("tiny")
    with pytest.raises(InputError, match="lies in the shared folder"):
        models.remove("tiny")
    models.import_("tiny", mine)
    assert models.path("tiny") == models.folder / "tiny"
    assert there(shared.folder) == before


def test_the_environment_names_the_folders(tmp_path, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setenv("MEDSEG_MODELS", f"{first}{os.pathsep}{second}")
    assert Store().folders == (first, second)
    assert Store(tmp_path).folders == (tmp_path,)
    monkeypatch.delenv("MEDSEG_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert Store().folder == tmp_path / "medseg" / "models"


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_others_may_read_a_copy_in_a_shared_folder(models, mine):
    models.import_("tiny", mine)
    mask = os.umask(0)
    os.umask(mask)
    assert (models.folder / "tiny").stat().st_mode & 0o777 == 0o777 & ~mask


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, mine):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="Cannot write"):
        store(tmp_path / "file" / "models").import_("tiny", mine)


def test_only_one_program_works_on_a_model(models, mine):
    with (
        locked(models.folder / ".tiny.lock", "works on 'tiny'"),
        pytest.raises(InputError, match="Another program works on 'tiny' right now"),
    ):
        models.import_("tiny", mine)
    models.import_("tiny", mine)


# Licences.


@pytest.fixture
def closed(tmp_path):
    return entry(non_commercial=True, weights_licence="CC BY-NC-SA 4.0")


def test_a_non_commercial_model_waits_for_agreement(tmp_path, closed, mine):
    models = store(tmp_path / "models", closed)
    with pytest.raises(InputError, match="not for commercial use"):
        models.import_("tiny", mine)
    models.approvals.grant(closed)
    models.import_("tiny", mine)
    kept = json.loads((tmp_path / "licences.json").read_text())
    assert kept["tiny"]["licence"] == "CC BY-NC-SA 4.0"
    assert kept["tiny"]["when"].endswith("+00:00")


def test_another_licence_is_another_agreement(tmp_path, closed):
    approvals = Approvals(tmp_path / "licences.json")
    approvals.grant(entry(non_commercial=True, weights_licence="old"))
    assert approvals.given(closed) is None
    approvals.grant(closed)
    assert Approvals(tmp_path / "licences.json").given(closed) is not None
    approvals.revoke(closed)
    assert approvals.given(closed) is None


# What we publish.


def test_every_published_model_says_what_a_user_must_know():
    from medseg.store.manifest import manifest

    names = [e.name for e in manifest()]
    assert len(names) == len(set(names))
    for e in manifest():
        assert e.title
        assert e.licence
        assert e.weights_licence
        assert e.source
        assert e.advice.endswith(".")
        assert e.page.startswith("https://")
        assert not (e.remote and e.files)
        assert e.non_commercial or "NC" not in e.weights_licence


def test_unclear_licences_count_as_non_commercial():
    found = {e.name: e for e in Store("unused").known()}
    assert found["nninteractive"].non_commercial
    assert found["vista3d"].non_commercial
    assert found["voxtell"].non_commercial


# The command.


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDSEG_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_imports_lists_checks_and_removes(home, capsys):
    (home / "MedSAM2_latest.pt").write_bytes(CONTENT)
    assert main(["models", "import", "medsam2", str(home / "MedSAM2_latest.pt"), "--json"]) == 0
    progress, *_, done = lines(capsys)
    assert progress["event"] == "progress"
    assert (progress["done"], progress["total"]) == (len(CONTENT), len(CONTENT))
    assert done["event"] == "done"
    assert done["sha256"] == {"MedSAM2_latest.pt": sha256(CONTENT)}
    assert main(["models", "published", "--json"]) == 0
    stored = {m["name"]: m["stored"] for m in lines(capsys)}
    assert [name for name, path in stored.items() if path] == ["medsam2"]
    assert main(["models"]) == 0
    assert "stored: medsam2, 1 MB in " in capsys.readouterr().out
    assert main(["models", "--json", "check"]) == 0
    assert lines(capsys)[-1]["event"] == "done"
    assert main(["models", "remove", "medsam2"]) == 0
    assert "is removed" in capsys.readouterr().err
    assert there(home / "models") == []


def test_the_command_says_what_is_wrong(home, capsys):
    assert main(["models", "fetch", "nope"]) == 2
    assert "no published model 'nope'" in capsys.readouterr().err
    assert main(["models", "fetch", "vista3d"]) == 2
    assert "cannot be fetched from here" in capsys.readouterr().err
    assert main(["models", "fetch", "voxtell"]) == 2
    assert "runs on its own server" in capsys.readouterr().err
    (home / "vista.pt").write_bytes(CONTENT)
    assert main(["models", "import", "vista3d", str(home / "vista.pt")]) == 2
    assert "--agree-licence" in capsys.readouterr().err
    assert main(["models", "import", "vista3d", str(home / "vista.pt"), "--agree-licence"]) == 0
    assert there(home / "models") == ["vista3d", "vista3d/medseg.json", "vista3d/vista.pt"]
