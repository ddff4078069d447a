"""Images leave this machine only with consent, only once, and only as far as they must."""

from __future__ import annotations

import json
import threading
from datetime import datetime

import numpy as np
import pytest
from client_kit import (
    QUICK,
    WELCOME,
    Line,
    Stub,
    answer,
    clean_environment,  # noqa: F401 (used by every test)
    greeting,
)
from medseg import Image
from medseg.client import Backoff, Consent, HttpBackend, Timeout
from medseg.errors import ConnectionProblem, ConsentError, InputError, NotFoundError, RemoteError
from medseg.protocol import images
from medseg.protocol.messages import SessionRequest, encode
from serving import Running

MB = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Running(tmp_path_factory.mktemp("upload")) as running:
        yield running


def noise(seed, slices=40):
    """About 10 MB that hardly get smaller, in two chunks."""
    voxels = np.random.default_rng(seed).integers(-(2**15), 2**15, (slices, 512, 256))
    return Image(voxels.astype(np.int16))


def size(image):
    """Bytes of its chunks as they are sent."""
    made = images.offer(image, images.codecs())
    return [len(images.encode_chunk(image, made, n)) for n in range(images.chunk_count(made))]


class TestConsent:
    def test_without_it_nothing_about_an_image_is_sent(self, tmp_path, monkeypatch):
        with Stub(greeting) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            consent = Consent(tmp_path / "consent.json")
            backend = HttpBackend("http://server.invalid:80", consent=consent, insecure=True)
            with pytest.raises(ConsentError) as caught:
                backend.put_image(noise(0, 1))
            assert proxy.seen == []
            told = str(caught.value)
            assert "sent to server.invalid:80" in told
            for word in ("voxels", "geometry", "prompts", "no patient name", "no DICOM header"):
                assert word in told
            backend.agree()
            with pytest.raises(RemoteError):  # the stub knows no images
                backend.put_image(noise(0, 1))
            assert [method for method, *_ in proxy.seen] == ["GET", "POST"]

    def test_it_is_remembered_per_server_with_date_and_words(self, tmp_path):
        path = tmp_path / "deeper" / "consent.json"
        Consent(path).grant("a.example:443")
        kept = Consent(path).given("a.example:443")
        assert datetime.fromisoformat(kept.when).tzinfo is not None
        assert "voxels" in kept.what
        assert Consent(path).given("a.example:8443") is None
        assert [p.name for p in path.parent.iterdir()] == ["consent.json"]

    def test_it_can_be_taken_back(self, tmp_path):
        consent = Consent(tmp_path / "consent.json")
        consent.grant("a.example:443")
        consent.grant("b.example:443")
        consent.revoke("a.example:443")
        assert consent.given("a.example:443") is None
        assert consent.given("b.example:443") is not None

    @pytest.mark.parametrize(
        "text", ["", "{broken", "[]", '{"a:1": 3}', '{"a:1": {"when": "now", "what": "less"}}']
    )
    def test_a_damaged_file_or_other_words_are_no_consent(self, tmp_path, text):
        path = tmp_path / "consent.json"
        path.write_text(text)
        assert Consent(path).given("a:1") is None
        Consent(path).grant("a:1")
        assert list(json.loads(path.read_text())) == ["a:1"]

    def test_a_folder_that_cannot_be_written_is_told(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="Cannot write"):
            Consent(tmp_path / "file" / "consent.json").grant("a:1")


class TestUpload:
    def test_an_image_is_sent_once_however_often_it_is_put(self, server):
        image = noise(1)
        with Line(server.port) as line:
            backend = HttpBackend(line.url)
            fractions = []
            name = backend.put_image(image, fractions.append)
            whole = sum(size(image))
            assert whole < line.up < whole + 5000
            assert fractions == [0.5, 1.0, 1.0]
            before = line.up
            assert backend.put_image(image) == name
            copy = Image(image.array.astype(np.float32), image.affine)
            other = HttpBackend(line.url)
            assert other.put_image(copy) == name
            assert line.up - before < 5000
            for each in (backend, other):
                each.close()

    def test_the_line_breaks_and_only_the_rest_is_sent(self, server):
        """Two chunks are under way at a time, so no more than two are sent again."""
        image = noise(2, 160)
        sizes = size(image)
        assert len(sizes) > 4
        with Line(server.port) as line:
            line.cut_at = sum(sizes[:4])
            backend = HttpBackend(line.url, retries=QUICK)
            backend.put_image(image)
            assert line.cuts == 1
            assert sum(sizes) < line.up < sum(sizes) + 2 * max(sizes) + MB
            backend.close()

    def test_a_line_that_always_breaks_ends_in_a_sentence(self, server):
        with Line(server.port) as line:
            few = Backoff(attempts=3, first=0.001)
            backend = HttpBackend(line.url, retries=few)
            backend.welcome()
            stop = threading.Event()

            def break_it():
                while not stop.wait(0.001):
                    line.cut()

            breaker = threading.Thread(target=break_it)
            breaker.start()
            try:
                with pytest.raises(ConnectionProblem, match="closed the connection"):
                    backend.put_image(noise(3))
            finally:
                stop.set()
                breaker.join()
                backend.close()

    def test_one_that_forgets_the_image_in_between_gets_it_again(self):
        image = Image(np.zeros((4, 3, 2), np.int16))
        offered = []

        def reply(number, method, path):
            if method == "GET":
                return greeting(number, method, path)
            if method == "POST":
                offered.append(number)
            elif len(offered) == 1:
                problem = {"type": "urn:medseg:problem:not-found", "detail": "No such image."}
                return answer(problem, 404, "application/problem+json")
            done = method == "PUT"
            return answer({"image": "x/y", "missing": [] if done else [0], "ready": done})

        with Stub(reply) as stub:
            assert HttpBackend(stub.url, retries=QUICK).put_image(image) == "x/y"
            assert [path for _, path, *_ in stub.seen[1:]] == [
                "/v1/images",
                "/v1/images/x%2Fy/chunks/0",
                "/v1/images",
                "/v1/images/x%2Fy/chunks/0",
            ]

    def test_one_that_never_gets_ready_is_given_up(self):
        waiting = {"image": "x", "missing": [], "ready": False}

        def reply(number, method, path):
            return greeting(number, method, path) if method == "GET" else answer(waiting)

        with Stub(reply) as stub:
            backend = HttpBackend(stub.url, retries=Backoff(attempts=4, first=0.001))
            with pytest.raises(RemoteError, match="does not get ready"):
                backend.put_image(Image(np.zeros((1, 2, 3), np.int16)))

    def test_the_codec_is_one_that_both_know(self):
        def reply(number, method, path):
            welcome = encode(WELCOME) | {"codecs": ["of-the-future", "raw"]}
            ready = {"image": "x", "missing": [], "ready": True}
            return answer(welcome if method == "GET" else ready)

        with Stub(reply) as stub:
            HttpBackend(stub.url).put_image(Image(np.zeros((1, 2, 3), np.int16)))
            assert json.loads(stub.seen[1][3])["codec"] == "raw"

    def test_a_slow_server_is_waited_for_only_so_long(self):
        pause = threading.Event()

        def reply(number, method, path):
            if method == "POST":
                pause.wait(5)
            return greeting(number, method, path)

        with Stub(reply) as stub:
            backend = HttpBackend(
                stub.url, timeout=Timeout(work=0.1), retries=Backoff(attempts=2, first=0.001)
            )
            with pytest.raises(ConnectionProblem, match="took too long"):
                backend.put_image(Image(np.zeros((1, 2, 3), np.int16)))
            assert len(stub.seen) == 3
            pause.set()

    def test_nothing_of_name_or_path_is_on_the_wire(self, server):
        image = Image(np.zeros((1, 2, 3), np.int16), name="Jane Doe", notes=("/home/jane",))
        with Stub(lambda number, *what: greeting(number, *what)) as stub:
            backend = HttpBackend(stub.url, retries=Backoff(attempts=1))
            with pytest.raises(RemoteError):  # the stub knows no images
                backend.put_image(image)
            sent = b"".join(body for *_, body in stub.seen) + repr(stub.seen).encode()
            assert b"digest" in sent
            assert b"ane" not in sent

    def test_an_image_that_nobody_sent_is_not_known(self, server):
        backend = HttpBackend(server.url)
        with pytest.raises(NotFoundError):
            backend.open_session(SessionRequest("0" * 64))
        backend.close()
