"""Models fetched from a real server on this machine that misbehaves in every way."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from medseg import InputError, ModelError
from medseg.errors import ConnectionProblem
from medseg.store import File
from medseg.store.download import Download
from store_kit import CONTENT, FILES, Hub, entry, sha256, store

WHOLE = ["tiny", "tiny/config.json", "tiny/medseg.json", "tiny/model.safetensors"]
MODEL = "model.safetensors"


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.stop()


@pytest.fixture
def models(tmp_path):
    return store(tmp_path / "models")


def fetch(models, hub, waits=(0.0, 0.0), progress=None):
    return models.fetch("tiny", progress, hub=hub.url, waits=waits)


def there(folder):
    names = sorted(str(p.relative_to(folder)) for p in Path(folder).rglob("*"))
    return [name for name in names if not name.endswith(".lock")]


def test_a_model_is_fetched_whole(models, hub):
    told = []
    copy = fetch(models, hub, progress=lambda *event: told.append(event))
    assert there(models.folder) == WHOLE
    assert (copy.folder / MODEL).read_bytes() == CONTENT
    assert {f.name: f.sha256 for f in copy.files} == {n: sha256(d) for n, d in FILES.items()}
    assert told[-1] == (MODEL, len(CONTENT), len(CONTENT))
    assert [name for name, _ in hub.asked] == ["config.json", MODEL]
    models.check("tiny")


def test_a_broken_connection_goes_on_where_it_stopped(models, hub):
    hub.breaks = [300_000, 200_000, 1]
    copy = fetch(models, hub)
    assert (copy.folder / MODEL).read_bytes() == CONTENT
    first, *later = [range_ for name, range_ in hub.asked if name == MODEL]
    starts = [int(range_.removeprefix("bytes=").rstrip("-")) for range_ in later]
    assert first is None
    assert 200_000 < starts[0] < starts[1] <= starts[2] < len(CONTENT)


def test_attempts_that_bring_nothing_come_to_an_end(models, hub):
    hub.breaks = [400_000, 0, 0, 0, 0]
    with pytest.raises(ConnectionProblem, match="before the end; try again"):
        fetch(models, hub)
    assert models.copy("tiny") is None
    assert fetch(models, hub).size == sum(map(len, FILES.values()))
    assert ("config.json", None) in hub.asked
    assert hub.asked[-1][1].startswith("bytes=3")
    assert there(models.folder) == WHOLE


def test_a_file_that_changed_meanwhile_begins_anew(models, hub):
    hub.breaks = [400_000, 0, 0, 0]
    with pytest.raises(ConnectionProblem):
        fetch(models, hub)
    hub.files[MODEL], hub.etag = CONTENT[::-1], '"two"'
    copy = fetch(models, hub)
    assert (copy.folder / MODEL).read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(("etag", "ranges"), [(None, True), ('W/"weak"', True), ('"one"', False)])
def test_without_a_safe_way_to_go_on_it_begins_anew(models, hub, etag, ranges):
    hub.etag, hub.ranges = etag, ranges
    hub.breaks = [400_000]
    assert (fetch(models, hub).folder / MODEL).read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_dropped(models, hub):
    hub.breaks = [400_000, 0, 0, 0]
    with pytest.raises(ConnectionProblem):
        fetch(models, hub)
    hub.codes = [416]
    assert (fetch(models, hub).folder / MODEL).read_bytes() == CONTENT


def test_a_wrong_hash_is_not_stored(tmp_path, hub):
    files = (File("config.json"), File(MODEL, sha256(b"what was published")))
    models = store(tmp_path / "models", entry(files=files))
    with pytest.raises(ModelError, match=f"'{MODEL}' is not the published file of Tiny"):
        fetch(models, hub)
    assert models.copy("tiny") is None
    assert there(models.folder) == [".tiny.part", ".tiny.part/config.json"]


def test_a_hash_told_by_the_hub_is_compared(models, hub):
    hub.headers = {"X-Linked-ETag": f'"{sha256(b"other")}"'}
    with pytest.raises(ModelError, match="SHA-256 differs"):
        fetch(models, hub)


def test_a_page_to_sign_in_is_no_model(models, hub):
    hub.files[MODEL] = b"<!DOCTYPE html><html>Sign in</html>"
    with pytest.raises(ModelError, match="a web page"):
        fetch(models, hub)
    assert models.copy("tiny") is None


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        ([401], "sign in there with a browser"),
        ([403], "sign in there with a browser"),
        ([404], "any more"),
        ([500, 502, 503, 500, 500], "cannot serve it now"),
        ([400], "gave no file"),
    ],
)
def test_a_refusal_is_one_sentence(models, hub, codes, sentence):
    hub.codes = codes
    with pytest.raises(ConnectionProblem, match=sentence):
        fetch(models, hub)
    assert models.copy("tiny") is None


def test_a_server_that_is_busy_for_a_moment_is_asked_again(models, hub):
    hub.codes = [503, 429]
    assert fetch(models, hub).size


def test_nobody_there(models, hub):
    hub.stop()
    with pytest.raises(ConnectionProblem, match="Nothing answers at 127"):
        fetch(models, hub)
    hub.server_close = lambda: None
    hub.shutdown = lambda: None


def test_an_address_that_others_could_change_is_refused(models):
    with pytest.raises(InputError, match="could be tampered with"):
        models.fetch("tiny", hub="http://hub.example")
    with pytest.raises(InputError, match="no web address"):
        models.fetch("tiny", hub="file:///etc")


def test_a_licence_comes_before_the_first_byte(tmp_path, hub):
    models = store(tmp_path / "models", entry(non_commercial=True))
    with pytest.raises(InputError, match="not for commercial use"):
        fetch(models, hub)
    assert hub.asked == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full: no disk that is full")
def test_a_full_disk_is_one_sentence_and_keeps_nothing(models, hub, monkeypatch):
    full = Path("/dev/full")
    monkeypatch.setattr(Download, "_opened", lambda self, start: full.open("wb"))
    with pytest.raises(InputError, match="the disk is full"):
        fetch(models, hub)
    assert there(models.folder) == [".tiny.part"]


def test_a_disk_that_is_too_small_is_told_before(models, hub):
    hub.headers = {}
    hub.files[MODEL] = _Endless()
    with pytest.raises(InputError, match="free some space, or name another folder"):
        fetch(models, hub)
    assert not (models.folder / ".tiny.part" / f"{MODEL}.part").exists()


class _Endless(bytes):
    """Claims to be longer than any disk."""

    def __len__(self):
        return 1 << 60

    def __getitem__(self, key):
        return b""


COMMAND = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from store_kit import store
store(Path(sys.argv[1])).fetch("tiny", lambda *_: print("on", flush=True), hub=sys.argv[2])
"""


def test_a_killed_fetch_leaves_no_half_model_and_goes_on(models, hub):
    hub.hold = threading.Event()
    command = [sys.executable, "-c", COMMAND, str(models.folder), hub.url]
    running = subprocess.Popen(
        [*command, str(Path(__file__).parent)], stdout=subprocess.PIPE, text=True
    )
    while not any(MODEL in name for name in there(models.folder)):
        assert running.stdout.readline(), "it ended before the weights began"
    running.send_signal(signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
    running.wait()
    running.stdout.close()
    hub.hold.set()
    assert models.copy("tiny") is None
    assert fetch(models, hub).folder == models.folder / "tiny"
    assert there(models.folder) == WHOLE
