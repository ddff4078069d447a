"""Whatever is wrong between client and server is said in a sentence of its own."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from client_kit import (
    FULL,
    PROBLEM,
    WELCOME,
    Authority,
    Stub,
    answer,
    clean_environment,  # noqa: F401 (used by every test)
    greeting,
    page,
)
from medseg.client import Backoff, HttpBackend, Timeout
from medseg.errors import (
    AccessError,
    ConnectionProblem,
    ExpiredError,
    FullError,
    InputError,
    MedsegError,
    RemoteError,
    TooLargeError,
    VersionError,
)
from medseg.protocol.messages import encode
from medseg.protocol.problems import to_problem

NEVER = Backoff(attempts=1)


def sentence(url, kind=ConnectionProblem, **options):
    """What asking that server ends with."""
    backend = HttpBackend(url, retries=options.pop("retries", NEVER), **options)
    try:
        with pytest.raises(MedsegError) as caught:
            backend.welcome()
    finally:
        backend.close()
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text[-1] == "."
    assert "\n" not in text
    return text


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def listening():
    """A port, and the socket that accepts there when the test wants it to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@contextlib.contextmanager
def says(server, data):
    """Whoever connects is sent these bytes; then the connection is closed."""

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "word"),
        [
            ("server:8443", "add http:// or https://"),
            ("ftp://server", "not 'ftp://'"),
            ("https://", "names no server"),
            ("https://server:99999", "cannot be read"),
            ("https://server:8443/v1/welcome", "give https://server:8443"),
            ("https://server?x=1", "give https://server:443"),
            ("https://me:secret@server", "give a token instead"),
            ("http://server:1527", "use https://, or an SSH tunnel"),
        ],
    )
    def test_what_is_no_server_address_is_refused_before_anything_is_sent(self, url, word):
        with pytest.raises(InputError) as caught:
            HttpBackend(url)
        assert word in str(caught.value)
        assert "secret" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "shown"),
        [
            ("https://Server.example/", "server.example:443"),
            (" http://localhost:1527 ", "localhost:1527"),
            ("http://127.9.9.9:80", "127.9.9.9:80"),
            ("http://[::1]:1527", "[::1]:1527"),
        ],
    )
    def test_good_addresses_are_taken(self, url, shown):
        assert str(HttpBackend(url).address) == shown

    def test_plain_http_to_another_machine_must_be_asked_for(self):
        assert not HttpBackend("http://server.invalid", insecure=True).address.loopback

    def test_a_broken_ca_bundle_or_token_is_told_at_once(self, tmp_path):
        bundle = tmp_path / "ca.pem"
        bundle.write_text("nothing of that kind")
        for path in (bundle, tmp_path / "absent.pem"):
            with pytest.raises(InputError, match="give a PEM file"):
                HttpBackend("https://server", ca=path)
        with pytest.raises(AccessError, match="copy it again") as caught:
            HttpBackend("https://server", token="secret\r\nX: y")
        assert "secret" not in str(caught.value)


class TestTheWay:
    def test_unknown_name(self):
        assert "no server named 'server.invalid'" in sentence("https://server.invalid")

    def test_refused_port(self, listening):
        port = listening.getsockname()[1]
        listening.close()
        assert "Nothing answers at 127.0.0.1" in sentence(f"http://127.0.0.1:{port}")

    def test_unreachable_host(self):
        nowhere = "255.255.255.255"  # the kernel has no way there for TCP
        assert f"no way to {nowhere}:443 from this network" in sentence(f"https://{nowhere}")

    def test_no_answer_in_time(self, listening):
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert "took too long to answer" in sentence(url, timeout=Timeout(read=0.2))

    def test_no_connection_in_time(self):
        with (
            socket.create_server(("127.0.0.1", 0), backlog=0) as server,
            contextlib.ExitStack() as stack,
        ):
            for _ in range(8):  # nobody accepts; the queue is full
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(server.getsockname())
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            assert "does not answer (a firewall?)" in sentence(url, timeout=Timeout(connect=0.3))

    def test_closed_without_an_answer(self, listening):
        with says(listening, b"") as where:
            assert "closed the connection without an answer" in sentence(f"http://{where}")

    @pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\xff" * 100])
    def test_another_kind_of_server(self, listening, data):
        with says(listening, data) as where:
            assert where in sentence(f"http://{where}")

    def test_answer_that_stops_in_the_middle(self, listening):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
        with says(listening, head) as where:
            assert "closed the connection" in sentence(f"http://{where}")

    def test_dead_proxy_of_this_computer(self, listening, monkeypatch):
        port = listening.getsockname()[1]
        listening.close()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        assert "check HTTPS_PROXY" in sentence("https://server.invalid")

    def test_a_proxy_is_never_asked_about_this_machine(self, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        with Stub(greeting) as stub:
            assert HttpBackend(stub.url).welcome() == WELCOME


class TestTls:
    def test_a_hospitals_own_authority_is_trusted_when_given(self, hospital):
        with Stub(greeting, hospital.context("127.0.0.1")) as stub:
            backend = HttpBackend(stub.url, ca=hospital.path)
            assert backend.welcome() == WELCOME
            backend.close()

    def test_unknown_authority(self, hospital):
        with Stub(greeting, hospital.context("127.0.0.1")) as stub:
            text = sentence(stub.url)
            assert "give your hospital's CA bundle with --ca FILE" in text
            assert stub.seen == []

    def test_another_authority_than_the_given_one(self, hospital, tmp_path):
        other = Authority(tmp_path, "Other CA")
        with Stub(greeting, hospital.context("127.0.0.1")) as stub:
            assert "is not trusted" in sentence(stub.url, ca=other.path)

    @pytest.mark.parametrize("name", ["127.0.0.9", "other.example"])
    def test_other_name_in_the_certificate(self, hospital, name):
        with Stub(greeting, hospital.context(name)) as stub:
            assert "made out to another name" in sentence(stub.url, ca=hospital.path)
            by_name = stub.url.replace("127.0.0.1", "localhost")
            assert "made out to another name" in sentence(by_name, ca=hospital.path)
            assert stub.seen == []

    def test_expired_and_not_yet_valid(self, hospital):
        for days, words in (((-9, -2), "has expired"), ((3, 9), "not valid yet")):
            with Stub(greeting, hospital.context("127.0.0.1", *days)) as stub:
                assert words in sentence(stub.url, ca=hospital.path)

    def test_https_to_a_server_of_plain_http(self):
        with Stub(greeting) as stub:
            assert "speaks plain HTTP" in sentence(stub.url.replace("http:", "https:"))

    def test_plain_http_to_a_server_of_https(self, hospital):
        with Stub(greeting, hospital.context("127.0.0.1")) as stub:
            text = sentence(stub.url.replace("https:", "http:"), token="a-secret-token")
            assert f"give https://127.0.0.1:{stub.port}" in text
            assert stub.seen == []


class TestAnswers:
    def says(self, reply, kind=ConnectionProblem, **options):
        with Stub(lambda *_: reply) as stub:
            return sentence(stub.url, kind, **options)

    def problem(self, error, **headers):
        told = to_problem(error)
        return answer(told, told["status"], PROBLEM, **headers)

    def test_missing_and_wrong_token(self):
        refused = self.problem(AccessError("no"))
        assert "put it into MEDSEG_TOKEN" in self.says(refused, AccessError)
        text = self.says(refused, AccessError, token="a-secret-token")
        assert "does not accept the token" in text
        assert "secret" not in text

    @pytest.mark.parametrize("kind", [ExpiredError, TooLargeError, VersionError, FullError])
    def test_the_servers_own_sentences_arrive_as_the_same_errors(self, kind):
        assert self.says(self.problem(kind("It is so.")), kind) == "It is so."

    def test_no_version_in_common_names_both_sides(self):
        later = answer(encode(WELCOME) | {"versions": [7, 8]})
        text = self.says(later, VersionError)
        assert "(medseg 9.9) speaks version 7, 8" in text
        assert "version 1; update the older one" in text

    def test_a_later_server_that_still_speaks_our_version_is_fine(self):
        later = answer(encode(WELCOME) | {"versions": [1, 2], "news": {"a": 1}})
        with Stub(lambda *_: later) as stub:
            assert HttpBackend(stub.url).welcome().versions == [1, 2]

    @pytest.mark.parametrize(
        ("reply", "words"),
        [
            (page(200), "is no medseg server"),
            (page(404), "is no medseg server"),
            (answer({"detail": "Not Found"}, 404), "is no medseg server"),
            (answer(b"{broken"), "is no medseg server"),
            (answer(b"<html>", 500, PROBLEM), "is no medseg server"),
            (page(502), "cannot reach the server behind it (502)"),
            (page(504), "cannot reach the server behind it (504)"),
        ],
    )
    def test_answers_of_others_are_told_from_ours(self, reply, words):
        assert words in self.says(reply)

    def test_a_limit_of_a_proxy_is_told_from_the_servers(self):
        assert "A proxy in front of" in self.says(page(413), TooLargeError)

    def test_an_answer_that_lacks_something(self):
        text = self.says(answer({"versions": [1]}), RemoteError)
        assert "cannot be read" in text

    def test_redirects_are_not_followed_and_the_token_stays_here(self):
        with (
            Stub(greeting) as other,
            Stub(lambda *_: page(307, Location=other.url + "/v1/welcome?x=1")) as stub,
        ):
            text = sentence(stub.url, token="a-secret-token")
            assert f"sends on to {other.url}/v1/welcome," in text
            assert other.seen == []

    def test_token_and_version_go_along_and_passwords_of_netrc_do_not(self, tmp_path, monkeypatch):
        netrc = tmp_path / "netrc"
        netrc.write_text("default login me password netrc-secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        with Stub(greeting) as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            for token in (None, "a-secret-token"):
                backend = HttpBackend("http://server.invalid", token=token, insecure=True)
                backend.welcome()
                assert "secret" not in repr(backend)
        first, second = (headers for _, _, headers, _ in proxy.seen)
        assert "Authorization" not in first
        assert second["Authorization"] == "Bearer a-secret-token"
        assert second["Medseg-Versions"] == "1"


class TestRetries:
    """``slept`` has the pauses instead of anybody waiting for them."""

    @pytest.fixture
    def slept(self):
        return []

    @pytest.fixture
    def patient(self, slept):
        return Backoff(
            attempts=6, first=1, longest=5, total=60, sleep=slept.append, random=lambda: 1.0
        )

    def talk(self, patient, *replies):
        """A server that welcomes once, then gives these replies, the last one for ever."""

        def reply(number, method, path):
            return (
                greeting(number, method, path)
                if number == 1
                else replies[min(number - 2, len(replies) - 1)]
            )

        with Stub(reply) as stub:
            backend = HttpBackend(stub.url, retries=patient)
            backend.welcome()
            try:
                return backend.welcome(), len(stub.seen)
            except MedsegError as error:
                return error, len(stub.seen)
            finally:
                backend.close()

    def test_what_may_pass_is_tried_again_with_growing_pauses(self, patient, slept):
        full = answer(FULL, 503, PROBLEM)
        got, asked = self.talk(patient, page(502), full, page(504), greeting(0, "", ""))
        assert (got, asked) == (WELCOME, 5)
        assert slept == [1, 2, 4]

    def test_half_of_a_pause_is_chance(self, slept):
        calm = Backoff(attempts=4, first=1, sleep=slept.append, random=lambda: 0.0)
        self.talk(calm, page(502))
        assert slept == [0.5, 1, 2]

    def test_the_server_says_when_to_come_back(self, patient, slept):
        full = answer(FULL, 503, PROBLEM, Retry_After="7")
        got, _ = self.talk(patient, full, greeting(0, "", ""))
        assert got == WELCOME
        assert slept == [7]

    def test_in_the_end_one_sentence_says_why(self, patient, slept):
        got, asked = self.talk(patient, answer(FULL, 503, PROBLEM))
        assert isinstance(got, FullError)
        assert (str(got), asked) == (FULL["detail"], 1 + 6)
        assert slept == [1, 2, 4, 5, 5]

    def test_a_pause_beyond_the_whole_time_is_not_begun(self, patient, slept):
        got, asked = self.talk(patient, answer(FULL, 503, PROBLEM, Retry_After="600"))
        assert isinstance(got, FullError)
        assert (asked, slept) == (2, [])

    @pytest.mark.parametrize("reply", [page(200), page(404), page(413), page(301, Location="x")])
    def test_what_will_not_pass_is_not_tried_again(self, patient, slept, reply):
        got, asked = self.talk(patient, reply)
        assert isinstance(got, RemoteError)
        assert (asked, slept) == (2, [])

    def test_a_server_that_never_answered_is_not_waited_for(self, patient, slept, listening):
        with says(listening, b"") as where:
            sentence(f"http://{where}", retries=patient)
        assert slept == []
