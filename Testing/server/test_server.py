"""The life of sessions on a real server process: two users, uploads, jobs, limits, logs."""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest
from conftest import ANNA
from medseg import MaskPatch, MedsegError, Point
from medseg.actions import Add
from medseg.history import History
from medseg.image import Mask
from medseg.packing import pack_mask, unpack_patch
from medseg.protocol import images
from medseg.protocol.messages import SessionInfo, Welcome, decode
from prometheus_client.parser import text_string_to_metric_families
from serving import Api, Running, is_problem, picture, point

IMAGE = picture()
#: Shows up in every request below, and must show up in no log.
SECRETS = ("SECRET", "sekret", "anna", "ben-token", "7.125")


def ball(*ras: float) -> Mask:
    """What the model "painter" paints around a position, on the 1 mm grid of `IMAGE`."""
    k, j, i = np.indices(IMAGE.shape)
    return (i - ras[0]) ** 2 + (j - ras[1]) ** 2 + (k - ras[2]) ** 2 <= 9


def apply(mask: Mask, answer: dict[str, object]) -> Mask:
    unpack_patch(answer["patch"], mask.shape).apply(mask)  # type: ignore[arg-type]
    return mask


def test_a_session_from_start_to_end(anna: Api) -> None:
    session = anna.open(IMAGE)
    mask = np.zeros(IMAGE.shape, bool)
    for revision, (action, data) in enumerate(
        [
            ("add", {"prompts": [point(7.125, 7, 4)]}),
            ("add", {"prompts": [point(12, 9, 3)]}),
            ("undo", {}),
            ("redo", {}),
            ("remove", {"index": 0}),
        ]
    ):
        answer = anna.act(session, revision, action, **data)
        assert answer.status_code == 200, answer.text
        assert answer.json()["revision"] == revision + 1
        apply(mask, answer.json())
    assert (mask == ball(12, 9, 3)).all()
    info = decode(SessionInfo, anna.get(f"/v1/sessions/{session}").json())
    assert (info.revision, info.voxels, len(info.prompts)) == (5, int(mask.sum()), 1)
    start = anna.act(session, 5, "set_mask", mask=pack_mask(ball(4, 4, 4)))
    assert (apply(mask, start.json()) == ball(4, 4, 4)).all()
    assert anna.act(session, 6, "reset").json()["voxels"] == 0
    assert anna.send("DELETE", f"/v1/sessions/{session}").status_code == 204
    assert is_problem(anna.get(f"/v1/sessions/{session}"), 404)


def test_an_action_sent_again_acts_once_and_a_stale_one_never(anna: Api) -> None:
    session = anna.open(IMAGE)
    first, again = (anna.click(session, 0, 5, 5, 5) for _ in range(2))
    assert first.json() == again.json()
    stale = {"request": "other", "revision": 0, "action": "undo"}
    assert is_problem(anna.post(f"/v1/sessions/{session}/actions", stale), 409)
    assert anna.get(f"/v1/sessions/{session}").json()["revision"] == 1


def test_a_history_puts_a_session_back(anna: Api) -> None:
    history = History(IMAGE.shape)
    for position in ((5, 5, 5), (12, 9, 3)):
        state = Add((Point(np.array(position)),)).lead(history.state, history.mask)
        after = history.mask | ball(*position)
        history.commit(state, MaskPatch.between(history.mask, after))
    history.undo()
    name = anna.upload(IMAGE)
    wanted = {"image": name, "model": "painter", "history": history.to_dict()}
    info = anna.post("/v1/sessions", wanted).json()
    assert (info["revision"], info["can_undo"], info["can_redo"]) == (0, True, True)
    redone = anna.act(info["session"], 0, "redo").json()
    assert redone["voxels"] == (ball(5, 5, 5) | ball(12, 9, 3)).sum()


def test_users_do_not_see_each_other(anna: Api, ben: Api) -> None:
    session, name = anna.open(IMAGE, "slow"), anna.upload(IMAGE)
    objects = [{"name": str(n), "prompts": [point(5, 5, 5)]} for n in range(20)]
    job = anna.post(
        f"/v1/sessions/{session}/jobs", {"request": "j", "kind": "batch", "objects": objects}
    ).json()["job"]
    seen = {}
    for who, ids in (("foreign", (name, session, job)), ("unknown", ("0" * 24,) * 3)):
        seen[who] = [
            ben.get(f"/v1/images/{ids[0]}"),
            ben.put_chunk(ids[0], 0, b"x"),
            ben.get(f"/v1/sessions/{ids[1]}"),
            ben.click(ids[1], 0, 1, 1, 1),
            ben.send("DELETE", f"/v1/sessions/{ids[1]}"),
            ben.get(f"/v1/jobs/{ids[2]}"),
            ben.get(f"/v1/jobs/{ids[2]}/events"),
            ben.send("DELETE", f"/v1/jobs/{ids[2]}"),
        ]
    for foreign, unknown in zip(seen["foreign"], seen["unknown"], strict=True):
        assert is_problem(foreign, 404)
        assert foreign.json() == unknown.json()
    assert is_problem(ben.post("/v1/sessions", {"image": name}), 404)
    assert anna.send("DELETE", f"/v1/jobs/{job}").status_code == 200
    assert anna.get(f"/v1/sessions/{session}").status_code == 200


def test_a_second_session_uploads_nothing_and_another_user_everything(anna: Api, ben: Api) -> None:
    other = picture(seed=1)
    made = images.offer(other, images.codecs())
    anna.upload(other)
    known = anna.post("/v1/images", made).json()
    assert known["ready"]
    assert known["missing"] == []
    assert ben.post("/v1/images", made).json()["missing"]


def test_an_upload_goes_on_where_it_broke_off(anna: Api) -> None:
    large = picture(seed=2, shape=(8, 64, 64))
    made = images.offer(large, images.codecs(), chunk_bytes=2 * 64 * 64 * 2)
    status = anna.post("/v1/images", made).json()
    assert status["missing"] == [0, 1, 2, 3]
    for index in (2, 0):
        anna.put_chunk(status["image"], index, images.encode_chunk(large, made, index))
    assert anna.post("/v1/images", made).json()["missing"] == [1, 3]
    assert anna.upload(large, chunk_bytes=2 * 64 * 64 * 2) == status["image"]


def test_a_damaged_chunk_is_refused_and_can_be_sent_again(anna: Api) -> None:
    image = picture(seed=3)
    made = images.offer(image, images.codecs())
    name = anna.post("/v1/images", made).json()["image"]
    chunk = images.encode_chunk(image, made, 0)
    assert is_problem(anna.put_chunk(name, 0, chunk[:-3]), 422, "send it again")
    assert is_problem(anna.put_chunk(name, 7, chunk), 422)
    assert anna.put_chunk(name, 0, chunk).json()["ready"]


def test_a_job_tells_its_story_also_to_a_reader_who_left(anna: Api) -> None:
    session = anna.open(IMAGE, "slow")
    objects = [{"name": f"o{n}", "prompts": [point(3 * n, 5, 5)]} for n in range(3)]
    wanted = {"request": "j", "kind": "batch", "objects": objects}
    job = anna.post(f"/v1/sessions/{session}/jobs", wanted).json()["job"]
    first = next(anna.events(job))
    assert (first["number"], first["event"], first["name"]) == (1, "frame", "o0")
    assert is_problem(anna.click(session, 0, 5, 5, 5), 409)
    rest = list(anna.events(job, after=1))
    assert [e["event"] for e in rest] == ["frame", "frame", "done"]
    assert [e["number"] for e in rest] == [2, 3, 4]
    assert list(anna.events(job)) == [first, *rest]
    assert anna.get(f"/v1/jobs/{job}").json()["state"] == "done"


def test_a_cancelled_job_ends_with_what_it_has(anna: Api) -> None:
    session = anna.open(IMAGE, "slow")
    objects = [{"name": f"o{n}", "prompts": [point(5, 5, 5)]} for n in range(50)]
    wanted = {"request": "j", "kind": "batch", "objects": objects}
    job = anna.post(f"/v1/sessions/{session}/jobs", wanted).json()["job"]
    story = anna.events(job)
    assert next(story)["event"] == "frame"
    assert anna.send("DELETE", f"/v1/jobs/{job}").status_code == 200
    rest = list(story)
    assert rest[-1]["event"] == "cancelled"
    assert len(rest) < 10
    assert anna.click(session, 0, 5, 5, 5).status_code == 200


def test_quick_requests_are_answered_while_prompts_run(anna: Api, ben: Api) -> None:
    session = anna.open(IMAGE, "slow")
    answers = []
    thread = threading.Thread(target=lambda: answers.append(anna.click(session, 0, 5, 5, 5)))
    thread.start()
    waits = 0
    while thread.is_alive():
        assert ben.get("/readyz").status_code == 200
        waits += 1
    thread.join()
    assert answers[0].status_code == 200
    assert waits > 3


def test_who_asks_for_too_much_at_once_does_not_stop_others(
    server: Running, anna: Api, ben: Api
) -> None:
    head = f"POST /v1/sessions HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {ANNA}\r\n"
    unfinished = f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(40):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            wire.sendall(unfinished)
        end = time.monotonic() + 30
        while "medseg_requests_in_work 33" not in ben.get("/metrics").text:
            assert time.monotonic() < end
        assert is_problem(anna.get("/v1/welcome"), 503, "what you asked before")
        assert ben.get("/v1/welcome").status_code == 200
    while anna.get("/v1/welcome").status_code != 200:
        assert time.monotonic() < end


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b'{"image": NaN}', 422),
        (b'{"image": 1e999}', 422),
        (b'{"image": ' + b"9" * 5000 + b"}", 422),
        (b"[" * 200_000, 422),
        (b'{"image": "\xff"}', 422),
        (b'{"image": "\\ud800"}', 404),
        (b'{"image": "a", "model": 7}', 422),
    ],
)
def test_a_bad_body_is_told(anna: Api, body: bytes, status: int) -> None:
    json_type = {"Content-Type": "application/json"}
    answer = anna.send("POST", "/v1/sessions", data=body, headers=json_type)
    assert is_problem(answer, status)


def test_refusals_are_problems_too(anna: Api) -> None:
    assert is_problem(anna.get("/v1/nowhere"), 404)
    assert is_problem(anna.get("/favicon.ico"), 404)
    assert is_problem(anna.send("PUT", "/v1/welcome"), 405)
    assert is_problem(anna.send("POST", "/v1/sessions", data=b"x=1"), 415)
    gzip = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert is_problem(anna.send("POST", "/v1/sessions", data=b"x", headers=gzip), 415)
    assert is_problem(anna.send("PUT", "/v1/images/a/chunks/many", data=b"x"), 422, "index")


def test_too_large_is_refused_before_it_is_read(anna: Api) -> None:
    made = images.offer(IMAGE, images.codecs())
    huge = {**made.__dict__, "shape": [1000, 1000, 1000], "chunk_slices": 1}
    assert is_problem(anna.post("/v1/images", huge), 413, "crop")
    json_type = {"Content-Type": "application/json"}
    limit = anna.get("/v1/welcome").json()["limits"]["message_bytes"]
    blanks = b" " * (limit + 1)
    assert is_problem(anna.send("POST", "/v1/sessions", data=blanks, headers=json_type), 413)


def test_versions_are_negotiated(anna: Api) -> None:
    welcome = decode(Welcome, anna.get("/v1/welcome").json())
    assert "painter" in [m.name for m in welcome.models]
    for header, status in (("1", 200), ("9, 1", 200), ("2", 426), ("x", 426)):
        answer = anna.send("GET", "/v1/welcome", headers={"Medseg-Versions": header})
        assert answer.status_code == status
    answer = anna.send("GET", "/v1/welcome", headers={"Medseg-Versions": "2, 3"})
    assert is_problem(answer, 426, "version 1")
    assert "2, 3" in answer.json()["detail"]


def test_no_header_tells_what_runs_here(anna: Api) -> None:
    answer = anna.send("GET", "/v1/welcome", headers={"Origin": "https://evil.example"})
    assert "Server" not in answer.headers
    assert not [h for h in answer.headers if h.lower().startswith("access-control")]


def test_numbers_for_prometheus(anna: Api) -> None:
    anna.get("/v1/welcome")
    families = {f.name: f for f in text_string_to_metric_families(anna.get("/metrics").text)}
    counted = {tuple(s.labels.values()): s.value for s in families["medseg_requests"].samples}
    assert counted["GET", "/v1/welcome", "200"] >= 1
    assert families["medseg_action_seconds"].type == "histogram"
    assert families["medseg_request_seconds"].type == "histogram"


def test_the_messages_are_published(server: Running, anna: Api) -> None:
    from medseg.server.openapi import KINDS

    described = Api(server.url).get("/openapi.json").json()
    assert {k.__name__ for k in KINDS} <= set(described["components"]["schemas"])
    assert len([m for p in described["paths"].values() for m in p]) == 13


def test_the_log_tells_of_requests_and_holds_no_secret(server: Running, anna: Api) -> None:
    session = anna.open(IMAGE)
    anna.click(session, 0, 7.125, 7, 4)
    anna.click(session, 1, 7.125, 700, 4)
    anna.act(session, 1, "add", prompts=[{"kind": "text", "text": "sekret"}])
    anna.get(f"/v1/sekret/{session}?name=sekret")
    anna.send("GET", "/v1/welcome", headers={"Authorization": "Bearer sekret"})
    end = time.monotonic() + 5
    while not any(line.get("status") == 401 for line in server.lines()):
        assert time.monotonic() < end
    text = server.log.read_text()
    assert [word for word in (*SECRETS, session) if word in text] == []
    assert not [line for line in server.lines() if line["event"] == "fault"]
    asked = [line for line in server.lines() if line["event"] == "request"]
    act = next(line for line in asked if line["route"] == "/v1/sessions/{session}/actions")
    assert (act["method"], act["status"], len(act["user"])) == ("POST", 200, 8)
    assert act["bytes_in"] > 50
    assert act["bytes_out"] > 50


def test_errors_of_the_engine_keep_their_class(anna: Api) -> None:
    from medseg.protocol.problems import from_problem

    session = anna.open(IMAGE)
    outside = from_problem(anna.click(session, 0, 500, 5, 5).json())
    text = anna.act(session, 0, "add", prompts=[{"kind": "text", "text": "liver"}])
    assert type(outside).__name__ == "PromptError"
    assert "outside the image" in str(outside)
    assert type(from_problem(text.json())).__name__ == "UnsupportedPromptError"
    assert isinstance(outside, MedsegError)
    assert json.dumps(text.json())
