"""What a page can say of a video, and what the server tells it then."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
from asking import FRAMES, HEIGHT, WIDTH, Page, square
from PIL import Image

from pixelkin.app.server.places import Desk


def confidence(row: dict[str, Any]) -> list[int]:
    import base64

    return list(base64.b64decode(row["confidence"]))


def test_what_is_painted_is_kept_to_the_pixel(page: Page, desk: Desk) -> None:
    page.edit("POST", "/api/objects", name="dog")
    painted = np.random.default_rng(0).random((HEIGHT, WIDTH)) > 0.5
    page.paint(3, 1, painted)
    np.testing.assert_array_equal(page.mask(3, 1), painted)
    np.testing.assert_array_equal(desk.opened.session[3].labels[0].as_map().ids == 1, painted)
    (one,) = page.get("/api/labels/3")["labels"]
    assert (one["origin"], one["state"], one["confidence"]) == ("label", "present", 1.0)
    (row,) = page.get("/api/timeline")["objects"]
    assert row["labels"] == [[3, "present"]]
    assert confidence(row) == [255] * 3 + [254] + [255] * (FRAMES - 4)
    assert row["missing"] == [[0, 2], [4, FRAMES - 1]] and row["stale"] == []


def test_a_newer_stroke_takes_pixels(page: Page) -> None:
    for _ in range(2):
        page.edit("POST", "/api/objects")
    page.paint(0, 1, square(0))
    other = np.zeros((HEIGHT, WIDTH), bool)
    other[30:50, 5:20] = True
    page.paint(0, 2, other)
    np.testing.assert_array_equal(page.mask(0, 1), square(0) & ~other)
    np.testing.assert_array_equal(page.mask(0, 2), other)


def test_thirty_strokes_thirty_undos_thirty_redos(page: Page) -> None:
    page.edit("POST", "/api/objects", name="dog")
    seen = [page.mask(0, 1)]
    rng = np.random.default_rng(4)
    for _ in range(30):
        page.paint(0, 1, seen[-1] | (rng.random((HEIGHT, WIDTH)) > 0.97))
        seen.append(page.mask(0, 1))
    assert len({mask.tobytes() for mask in seen}) == 31
    for mask in seen[-2::-1]:
        assert page.edit("POST", "/api/undo")["what"] == "label frame 0"
        np.testing.assert_array_equal(page.mask(0, 1), mask)
    for mask in seen[1:]:
        page.edit("POST", "/api/redo")
        np.testing.assert_array_equal(page.mask(0, 1), mask)
    assert page.edit("POST", "/api/redo")["what"] is None


def test_a_change_of_what_was_changed_meanwhile_is_refused(page: Page, client: Any) -> None:
    page.edit("POST", "/api/objects", name="dog")
    other = Page(client)
    other.revision = page.revision
    other.paint(0, 1, square(0))
    late = {"base_revision": page.revision, "counts": [HEIGHT * WIDTH]}
    for method, path, body in (
        ("PUT", "/api/labels/0/1", late),
        ("DELETE", "/api/labels/0/1", {"base_revision": page.revision}),
        ("POST", "/api/undo", {"base_revision": page.revision}),
        ("DELETE", "/api/objects/1", {"base_revision": page.revision}),
    ):
        answer = client.request(method, path, json=body)
        assert answer.status_code == 409 and "changed meanwhile" in answer.json()["error"]
    np.testing.assert_array_equal(page.mask(0, 1), square(0))


def test_objects_are_named_hidden_locked_and_removed(page: Page, client: Any) -> None:
    page.edit("POST", "/api/objects", name="dog", colour=[10, 20, 30])
    page.edit("PATCH", "/api/objects/1", name="wolf", locked=True, hidden=True)
    (one,) = page.get("/api/session")["objects"]
    assert one == {
        "id": 1, "name": "wolf", "kind": "mask", "parent": None, "colour": [10, 20, 30],
        "locked": True, "hidden": True, "position": 0,
    }  # fmt: skip
    locked = {"base_revision": page.revision, "state": "absent"}
    answer = client.put("/api/labels/0/1", json=locked)
    assert answer.status_code == 400 and "wolf is locked" in answer.json()["error"]
    page.edit("PATCH", "/api/objects/1", locked=False)
    page.edit("DELETE", "/api/objects/1")
    assert page.get("/api/session")["objects"] == []
    page.edit("POST", "/api/undo")
    assert page.get("/api/session")["objects"][0]["name"] == "wolf"


def test_objects_change_places(page: Page) -> None:
    for name in "abc":
        page.edit("POST", "/api/objects", name=name)
    page.edit("PATCH", "/api/objects/3", position=0)
    assert [o["name"] for o in page.get("/api/session")["objects"]] == ["c", "a", "b"]
    page.edit("POST", "/api/undo")
    assert [o["name"] for o in page.get("/api/session")["objects"]] == ["a", "b", "c"]


def test_points_with_a_skeleton(page: Page) -> None:
    ids = [page.edit("POST", "/api/objects", name=n, kind="keypoint")["id"] for n in ("a", "b")]
    page.edit("POST", "/api/skeleton", a=ids[0], b=ids[1])
    page.edit("PUT", f"/api/labels/2/{ids[0]}", x=10.25, y=20.5)
    assert page.get("/api/session")["skeleton"] == [ids]
    one = page.get("/api/labels/2")["labels"][0]
    assert (one["x"], one["y"], one["state"]) == (10.25, 20.5, "present")
    page.edit("PUT", f"/api/labels/2/{ids[0]}", state="occluded")
    one = page.get("/api/labels/2")["labels"][0]
    assert (one["x"], one["y"], one["state"]) == (10.25, 20.5, "occluded")
    page.edit("DELETE", "/api/skeleton", a=ids[1], b=ids[0])
    assert page.get("/api/session")["skeleton"] == []
    page.edit("POST", "/api/undo")
    assert page.get("/api/session")["skeleton"] == [ids]


def test_absent_from_a_frame_on(page: Page) -> None:
    page.edit("POST", "/api/objects")
    page.paint(0, 1, square(0))
    page.edit("PUT", "/api/labels/4/1", state="absent")
    assert page.get("/api/timeline")["objects"][0]["labels"] == [[0, "present"], [4, "absent"]]
    page.edit("DELETE", "/api/labels/4/1")
    assert page.get("/api/timeline")["objects"][0]["labels"] == [[0, "present"]]


def test_reviews_flags_and_cuts(page: Page, client: Any) -> None:
    page.edit("POST", "/api/objects")
    page.paint(1, 1, square(1))
    page.edit("POST", "/api/review", first=1, last=1, state="reviewed")
    page.edit("POST", "/api/review", first=2, last=3, state="flagged", note="blurred")
    page.edit("PUT", "/api/cuts/5", cut=True)
    timeline = page.get("/api/timeline")
    assert timeline["reviewed"] == [[1, 1]] and timeline["cuts"] == [5]
    assert timeline["flagged"] == [{"frame": f, "note": "blurred"} for f in (2, 3)]
    assert page.get("/api/labels/1")["reviewed"] and page.get("/api/labels/2")["note"] == "blurred"
    page.edit("POST", "/api/undo")
    page.edit("POST", "/api/undo")
    assert page.get("/api/timeline")["flagged"] == []  # both frames were one edit
    for state, note, seen in (
        ("flagged", None, ""), ("flagged", "the ear?", "the ear?"), ("flagged", None, "the ear?"),
        ("flagged", "", ""), ("unflagged", None, None),
    ):  # fmt: skip
        revision = page.revision
        page.edit("POST", "/api/review", first=1, last=1, state=state, note=note)
        one = page.get("/api/labels/1")
        assert (one["note"], one["reviewed"]) == (seen, True)
        assert page.revision <= revision + 1  # one edit
    answer = client.post(
        "/api/review",
        json={"base_revision": page.revision, "first": 0, "last": 0, "state": "reviewed"},
    )
    assert answer.status_code == 400 and "shows nothing yet" in answer.json()["error"]


def test_what_does_not_fit_is_refused_in_a_sentence(page: Page, client: Any) -> None:
    page.edit("POST", "/api/objects", name="dog")
    for path, body, said in (
        ("/api/labels/0/1", {"counts": [3, 4]}, "run lengths sum up to 7 pixels"),
        ("/api/labels/99/1", {"state": "absent"}, "frames 0 to 7"),
        ("/api/labels/0/7", {"state": "absent"}, "no object 7"),
        ("/api/labels/0/1", {"x": 1.0, "y": 2.0}, "a mask is H x W"),
        ("/api/labels/0/1", {}, "needs a place"),
    ):
        answer = client.put(path, json={"base_revision": page.revision} | body)
        assert answer.status_code == 400 and said in answer.json()["error"], answer.text
    assert page.get("/api/session")["revision"] == page.revision


def _import(page: Page, name: str, content: bytes, **more: int) -> Any:
    query = {"name": name, "base_revision": page.revision, **more}
    answer = page.client.post("/api/import", params=query, content=content)
    if answer.status_code == 200:
        page.revision = answer.json()["revision"]
    return answer


def test_labels_of_a_file_and_of_an_archive(page: Page) -> None:
    def png(frame: int) -> bytes:
        content = io.BytesIO()
        Image.fromarray(square(frame).astype(np.uint8)).save(content, "PNG")
        return content.getvalue()

    assert _import(page, "first.png", png(2), frame=2).json()["frames"] == [2]
    np.testing.assert_array_equal(page.mask(2, 1), square(2))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as files:
        for t in (0, 5):
            files.writestr(f"masks/f{t}.png", png(t))
    assert _import(page, "masks.zip", packed.getvalue()).json()["frames"] == [0, 5]
    np.testing.assert_array_equal(page.mask(5, 1), square(5))
    page.edit("POST", "/api/undo")
    assert not page.mask(5, 1).any() and page.mask(2, 1).any()
    for name, content in (("a.json", b"{}"), ("b.zip", b"PK"), ("..", b"")):
        answer = _import(page, name, content)
        assert answer.status_code == 400 and answer.json()["error"]
    answer = page.client.post("/api/import?name=a.png&base_revision=0", content=png(0))
    assert answer.status_code == 409


def test_changes_are_told_to_all_pages(page: Page, desk: Desk) -> None:
    import asyncio

    async def heard() -> list[str]:
        events = desk.hub.listen()
        assert (await anext(events)).startswith("retry")
        await asyncio.to_thread(page.edit, "POST", "/api/objects")
        found = [await asyncio.wait_for(anext(events), 10)]
        desk.hub.close()
        return found + [event async for event in events]

    (event,) = asyncio.run(heard())
    told = json.loads(event.removeprefix("data: "))
    assert told == {"event": "revision", "revision": page.revision}
