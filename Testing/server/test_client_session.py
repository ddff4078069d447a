"""A session on a server is a session: same surface, same voxels, for many at once."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from client_kit import (
    QUICK,
    WELCOME,
    Authority,
    Line,
    Stub,
    Tunnel,
    answer,
    clean_environment,  # noqa: F401 (used by every test)
    greeting,
)
from conftest import ANNA, BEN
from medseg import Image, Point, Session, find
from medseg.actions import Accept
from medseg.cli import main
from medseg.client import Backoff, HttpBackend, RemoteSession
from medseg.errors import (
    ConnectionProblem,
    InputError,
    NotFoundError,
    PromptError,
    RemoteError,
    StaleError,
)
from medseg.io import read_segmentation
from medseg.packing import unpack_patch
from medseg.patch import MaskPatch
from medseg.protocol.messages import JobRequest, ModelInfo, SessionInfo, encode
from medseg.record import TAG, Record
from serving import PLUGIN, Running
from session_contract import SessionContract, an_image, at, voxels


@pytest.fixture
def backend(server):
    with HttpBackend(server.url, token=ANNA, retries=QUICK) as backend:
        yield backend


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(PLUGIN)


class TestRemoteSession(SessionContract):
    @pytest.fixture
    def make(self, backend):
        sessions = []

        def make(image, model):
            sessions.append(RemoteSession(backend, image, model))
            return sessions[-1]

        yield make
        for session in sessions:
            session.close()


class TestComingBack:
    @pytest.fixture
    def session(self, backend):
        with RemoteSession(backend, an_image(), "painter") as session:
            session.add(at(0, 0, 0))
            session.add(at(1, 0, 0))
            session.undo()
            yield session

    def check(self, session):
        """It stands where the fixture left it."""
        session.redo()
        assert voxels(session) == [(0, 0, 0), (1, 0, 0)]
        assert session.add(at(2, 0, 0)).notes == ()
        session.remove(0)
        assert voxels(session) == [(1, 0, 0), (2, 0, 0)]

    def test_a_session_that_somebody_closed(self, session, backend):
        backend.close_session(session._mirror.info.session)
        backend.close_session(session._mirror.info.session)
        self.check(session)

    def test_a_session_that_somebody_else_moved(self, session, backend):
        other = RemoteSession(backend, session.image, "painter")
        other.close()
        other._mirror.opened(replace(session._mirror.info, revision=3))
        other.do(Accept(MaskPatch((3, 3, 3), np.ones((1, 1, 1), bool))))
        assert backend.session(session._mirror.info.session).revision == 4
        self.check(session)

    def test_a_session_that_expired(self, tmp_path):
        with (
            Running(tmp_path, "--lease-minutes", "0.01") as server,
            HttpBackend(server.url) as backend,
            RemoteSession(backend, an_image(), "painter") as session,
        ):
            session.add(at(0, 0, 0))
            session.add(at(1, 0, 0))
            session.undo()
            lost = session._mirror.info.session
            _await_loss(backend, lost)
            self.check(session)
            assert session._mirror.info.session != lost

    def test_leaving_a_server_that_is_gone_takes_no_patience(self, tmp_path):
        slept = []
        patient = Backoff(first=9, sleep=slept.append)
        with Running(tmp_path) as server, HttpBackend(server.url, retries=patient) as backend:
            session = RemoteSession(backend, an_image(), "painter")
            session.add(at(0, 0, 0))
            server.process.kill()
            server.process.wait()
            session.close()
            assert slept == []
            assert voxels(session) == [(0, 0, 0)]
            with pytest.raises(ConnectionProblem, match="Nothing answers"):
                session.add(at(1, 0, 0))
            assert len(slept) > 2
            assert voxels(session) == [(0, 0, 0)]

    def test_one_that_is_always_lost_is_given_up(self):
        gone = {"type": "urn:medseg:problem:not-found", "detail": "It is not there."}

        def reply(number, method, path):
            if path.endswith("/actions") or method == "DELETE":
                return answer(gone, 404, "application/problem+json")
            if path == "/v1/sessions":
                return answer(encode(opening("s", "1")))
            ready = {"image": "x", "missing": [], "ready": True}
            return answer(encode(WELCOME) if method == "GET" else ready)

        with Stub(reply) as stub, HttpBackend(stub.url, retries=QUICK) as backend:
            session = RemoteSession(backend, an_image())
            with pytest.raises(NotFoundError, match="It is not there"):
                session.add(at(0, 0, 0))
            assert session.prompts == ()
            assert sum(path.endswith("/actions") for _, path, *_ in stub.seen) == 5

    def test_another_model_behind_the_same_name_is_told(self):
        versions = iter("112")
        opened = []

        def reply(number, method, path):
            if path == "/v1/sessions":
                model = ModelInfo(
                    "m", next(versions), None, ["point"], ["3d"], True, False, "x", None
                )
                opened.append(f"s{len(opened)}")
                return answer(
                    encode(SessionInfo(opened[-1], "x", model, 0, [], 0, 0, 0.0, False, False, 9.0))
                )
            if path.endswith("/actions"):
                if opened[-1] not in path or len(opened) < 3:
                    gone = {"type": "urn:medseg:problem:expired", "detail": "Gone."}
                    return answer(gone, 410, "application/problem+json")
                patch = {"start": [0, 0, 0], "size": [0, 0, 0], "bits": "eJwDAAAAAAE="}
                reply = {"request": "r", "revision": 1, "patch": patch, "seconds": 0.0}
                return answer(reply | {"voxels": 0, "ml": 0.0})
            ready = {"image": "x", "missing": [], "ready": True}
            return answer(encode(WELCOME) if method == "GET" else ready)

        with Stub(reply) as stub, HttpBackend(stub.url, retries=QUICK) as backend:
            session = RemoteSession(backend, an_image())
            step = session.add(at(0, 0, 0))
            assert step.notes == ("The server now runs m 2 instead of m 1.",)
            assert session.model.version == "2"


def opening(session, version):
    """What a stub says to a new session."""
    model = ModelInfo("m", version, None, ["point"], ["3d"], True, False, "x", None)
    return SessionInfo(session, "x", model, 0, [], 0, 0, 0.0, False, False, 9.0)


def _await_loss(backend, session):
    """Wait without touching the lease until the server has given the session up."""
    time.sleep(0.8)
    with pytest.raises(RemoteError):
        backend.session(session)


class TestJobs:
    @pytest.fixture
    def session(self, backend):
        rng = np.random.default_rng(3)
        image = Image(rng.integers(0, 9, (12, 20, 20)).astype(np.int16), np.diag([2.0, 2, 2, 1]))
        with RemoteSession(backend, image, "painter") as session:
            session.add(Point([20, 20, 12]))
            yield session

    def test_the_result_is_part_of_the_mask_when_the_job_is_done(self, session):
        before = session.mask.copy()
        together = before.copy()
        for event in session.propagate(0, seeds=[6], first=4, last=8):
            if event.event == "frame" and event.patch is not None:
                unpack_patch(event.patch, session.image.shape).apply(together)
        assert event.event == "done"
        assert np.array_equal(session.mask, together)
        session.undo()
        assert np.array_equal(session.mask, before)

    def test_while_it_runs_other_actions_are_refused(self, session):
        events = session.propagate(0, seeds=[6])
        next(events)
        with pytest.raises(StaleError, match="let it end, or cancel it"):
            session.add(Point([0, 0, 0]))
        with pytest.raises(StaleError, match="let it end, or cancel it"):
            next(session.propagate(0))
        events.close()
        session.add(Point([0, 0, 0]))

    def test_who_stops_listening_cancels_it_and_the_mask_stays(self, session, backend):
        before = session.mask.copy()
        events = session.propagate(0, seeds=[6])
        next(events)
        events.close()
        assert np.array_equal(session.mask, before)
        assert len(session.prompts) == 1

    def test_a_job_that_cannot_be_is_refused_with_its_sentence(self, session):
        with pytest.raises((PromptError, InputError)):
            list(session.propagate(0, seeds=[99]))
        session.add(Point([0, 0, 0]))

    def test_objects_on_their_own_leave_the_mask_alone(self, session):
        before = session.mask.copy()
        point = {"kind": "point", "include": True, "position": [4.0, 4.0, 4.0]}
        objects = [{"name": "a", "prompts": [point]}, {"name": "b", "prompts": [point]}]
        told = list(session.batch(objects))
        assert [e.name for e in told if e.event == "frame"] == ["a", "b"]
        assert np.array_equal(session.mask, before)

    def test_events_come_on_after_the_line_broke(self, server, backend, session):
        with Line(server.port) as line, HttpBackend(line.url, token=ANNA, retries=QUICK) as other:
            job = backend.start_job(
                session._mirror.info.session, JobRequest("a-request", "propagate", seeds=[6])
            ).job
            numbers = []
            for event in other.job_events(job):
                numbers.append(event.number)
                if len(numbers) in (2, 4):
                    line.cut()
            assert numbers == list(range(1, len(numbers) + 1))
            assert event.event == "done"
            assert line.cuts == 2


def test_eight_clients_of_two_users_on_eight_images_do_not_mix(server, plugin):
    def work(number):
        rng = np.random.default_rng(number)
        image = Image(rng.integers(-1000, 1000, (10, 24, 24)).astype(np.int16))
        local = Session(image, find("painter"))
        token = (ANNA, BEN)[number % 2]
        with (
            HttpBackend(server.url, token=token, retries=QUICK) as backend,
            RemoteSession(backend, image, "painter") as session,
        ):
            for turn in range(12):
                point = Point(rng.uniform(0, 20, 3) * (1, 1, 0.4), include=turn % 4 != 3)
                for each in (local, session):
                    each.undo() if turn == 7 else each.add(point)
                if not np.array_equal(local.mask, session.mask):
                    return False
        return bool(local.mask.any())

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(work, range(8))) == [True] * 8


def test_another_users_session_is_as_unknown_as_one_that_never_was(server, backend):
    with RemoteSession(backend, an_image(), "painter") as session:
        name = session._mirror.info.session
        with HttpBackend(server.url, token=BEN) as other:
            for each in (name, "no-such-session"):
                with pytest.raises(NotFoundError) as caught:
                    other.session(each)
                assert name not in str(caught.value)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def tls(hospital):
    """A server with TLS; its CA is the hospital's own."""
    cert, key = hospital.issue("127.0.0.1")
    tokens = hospital.folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"anna:{ANNA}\n")
    options = ("--token-file", str(tokens), "--tls-cert", str(cert), "--tls-key", str(key))
    with Running(hospital.folder, *options) as running:
        yield running


class TestCommandLine:
    @pytest.fixture
    def there(self, tls, hospital, monkeypatch):
        monkeypatch.setenv("MEDSEG_TOKEN", ANNA)
        return "--server", tls.url, "--ca", str(hospital.path)

    @pytest.fixture(autouse=True)
    def scan(self, tmp_path, monkeypatch):
        """Files "scan.nrrd" and "labels.nrrd" in the working folder."""
        truth = np.zeros((12, 20, 20), np.int16)
        truth[3:9, 5:15, 5:15] = 1
        noise = np.random.default_rng(0).integers(0, 60, truth.shape)
        for name, array in (("scan", 300 * truth + noise), ("labels", truth)):
            image = sitk.GetImageFromArray(array.astype(np.int16))
            image.SetSpacing((2.0, 2.0, 2.0))
            sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
        monkeypatch.chdir(tmp_path)

    def test_segment_gives_the_same_mask_and_record_as_without_a_server(self, there):
        words = ("segment", "scan.nrrd", "--point", "-20,-20,12", "--exclude", "-2,-2,2")
        for name, more in (("local", ()), ("remote", there)):
            assert main([*words, "-o", f"{name}.seg.nrrd", *more]) == 0
        local, remote = (
            read_segmentation(f"{name}.seg.nrrd").segments[0] for name in ("local", "remote")
        )
        assert local.mask.any()
        assert np.array_equal(local.mask, remote.mask)
        assert local.tags == remote.tags
        edit = ("--edit", "remote.seg.nrrd", "-o", "more.seg.nrrd", "--point", "-28,-28,14")
        assert main(["segment", "scan.nrrd", *edit, *there]) == 0
        record = Record.loads(read_segmentation("more.seg.nrrd").segments[0].tags[TAG])
        assert len(record.prompts) == 3

    def test_evaluate_and_models_say_the_same_as_without_a_server(self, there, capsys):
        words = ("evaluate", "scan.nrrd", "labels.nrrd", "--clicks", "2", "--json", "--quiet")
        told = []
        for more in ((), there):
            assert main([*words, *more]) == 0
            told.append(json.loads(capsys.readouterr().out))
            del told[-1]["seconds"]
        assert told[0] == told[1]
        assert told[0]["dice"][0] > 0.5
        assert main(["models", *there]) == 0
        assert "geodesic-cut (default)" in capsys.readouterr().out
        assert main(["models", "--json", *there]) == 0
        first, *_ = map(json.loads, capsys.readouterr().out.splitlines())
        assert (first["name"], first["default"]) == ("geodesic-cut", True)

    def fails(self, capsys, *words):
        assert main(list(words)) == 2
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    def test_the_token_comes_from_a_file_or_the_environment(
        self, tls, there, tmp_path, monkeypatch, capsys
    ):
        words = ("models", *there)
        monkeypatch.setenv("MEDSEG_TOKEN", "wrong-token-0123456789")
        assert "does not accept the token" in self.fails(capsys, *words)
        (tmp_path / "token").write_text(ANNA + "\n")
        assert main([*words, "--token-file", "token"]) == 0
        capsys.readouterr()
        monkeypatch.delenv("MEDSEG_TOKEN")
        assert "put it into MEDSEG_TOKEN" in self.fails(capsys, *words)
        assert "'none' cannot be read" in self.fails(capsys, *words, "--token-file", "none")
        assert "CA bundle with --ca FILE" in self.fails(capsys, "models", "--server", tls.url)

    def test_another_machine_gets_no_image_before_somebody_agrees(
        self, hospital, monkeypatch, capsys
    ):
        words = ("segment", "scan.nrrd", "-o", "x.nii", "--point", "-20,-20,12")
        there = ("--server", "https://server.invalid", "--ca", str(hospital.path), "--quiet")
        with Stub(greeting, hospital.context("server.invalid")) as stub, Tunnel(stub.port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            said = self.fails(capsys, *words, *there)
            assert said.startswith("medseg: Images would be sent to server.invalid:443: the voxels")
            assert "--agree" in said
            assert {method for method, *_ in stub.seen} == {"GET"}
            for more in (("--agree",), ()):  # and from then on without being told again
                before = len(stub.seen)
                assert "agree" not in self.fails(capsys, *words, *there, *more)
                assert stub.seen[before + 1][:2] == ("POST", "/v1/images")
