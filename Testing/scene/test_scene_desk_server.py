"""A desk that works on a server: nothing leaves before the user agrees, and the line says so."""

import socket
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from desk_kit import Bench, environment
from medseg.companion.link import Server
from medseg.errors import ConsentError
from medseg_scene import CompanionOwner

if find_spec("fastapi") is None or find_spec("cryptography") is None:
    pytest.skip("needs the extra 'server' and the package cryptography", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parents[1] / "server"))

from client_kit import Authority
from serving import Running

TOKEN = "dora-token-8kQ2mWx4vB"


@pytest.fixture
def server(tmp_path):
    """A server under this machine's name, which counts as another machine's."""
    host = socket.gethostname()
    try:
        socket.gethostbyname(host)
    except OSError:
        pytest.skip("this machine's name leads nowhere")
    hospital = Authority(tmp_path)
    cert, key = hospital.issue(host)
    tokens = tmp_path / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"dora:{TOKEN}\n")
    options = ("--token-file", str(tokens), "--tls-cert", str(cert), "--tls-key", str(key))
    with Running(tmp_path, "--host", "0.0.0.0", *options) as running:
        yield Server(f"https://{host}:{running.port}", TOKEN, str(hospital.path))


def test_without_consent_a_click_ends_as_a_sentence_and_with_it_as_a_mask(
    server, tmp_path, volume, segmentation
):
    owner = CompanionOwner(env=environment(XDG_CONFIG_HOME=str(tmp_path), no_proxy="*"))
    bench = Bench(owner, volume, segmentation)
    bench.click(6, 8, 5)
    before = bench.mask()
    owner.connect(server)
    assert bench.desk.line == f"Working on {server.url}."
    pending = bench.desk.add(bench.point(6, 8, 15))
    bench.settle()
    assert isinstance(pending.error, ConsentError)
    assert bench.desk.line == str(pending.error)
    assert server.url.partition("//")[2] in bench.desk.line
    assert (bench.mask() == before).all()
    assert len(bench.desk.entries) == 1
    owner.wait(owner.companion().agree())
    bench.click(6, 8, 15)
    assert bench.mask()[6, 8, 15]
    assert "painter" in [m.name for m in bench.desk.models]
    owner.connect(None)
    bench.click(6, 2, 9)
    assert bench.mask()[6, 2, 9]
    assert len(bench.desk.entries) == 3
    bench.close()
    owner.close()


def test_a_server_that_is_not_there_is_a_sentence(volume, segmentation):
    owner = CompanionOwner(env=environment())
    bench = Bench(owner, volume, segmentation)
    bench.click(6, 8, 5)
    owner.connect(Server("http://127.0.0.1:9"))
    pending = bench.desk.add(bench.point(6, 8, 15))
    bench.settle()
    assert "127.0.0.1:9" in str(pending.error)
    assert bench.desk.line == str(pending.error)
    owner.connect(None)
    bench.click(6, 8, 15)
    assert bench.mask()[6, 8, 15]
    bench.close()
    owner.close()
