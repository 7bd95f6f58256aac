"""Who may ask, for what, and how much."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from asking import HOST, PAGE, Page
from fastapi.testclient import TestClient

from pixelkin.app.server.main import create_app
from pixelkin.app.server.places import Desk
from pixelkin.app.server.security import BODY, UPLOAD, hosts_of
from pixelkin.app.server.security import LOCAL as LOCAL_NAMES


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "evil:8765", ""])
def test_other_hosts_are_refused(page: Page, host: str) -> None:
    """A name that somebody else's DNS leads here is none of ours."""
    answer = page.client.get("/api/session", headers={"Host": host})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"http://{HOST}.evil.example"},
        {"X-Pixelkin": "0"},
        {"X-Pixelkin": ""},
    ],
)
def test_changes_come_from_the_page_only(page: Page, headers: dict[str, str]) -> None:
    for method, path in (
        ("POST", "/api/objects"),
        ("POST", "/api/jobs"),
        ("PUT", "/api/labels/0/1"),
        ("DELETE", "/api/objects/1"),
        ("PATCH", "/api/objects/1"),
        ("OPTIONS", "/api/objects"),
    ):
        answer = page.client.request(method, path, json={"base_revision": 0}, headers=headers)
        assert answer.status_code == 403
    assert page.get("/api/session")["revision"] == 0


def test_every_answer_says_what_the_page_may_load(page: Page) -> None:
    for path in ("/", "/api/session", "/api/frames/0.jpg", "/nothing", "/static/style.css"):
        answer = page.client.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; img-src")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_bodies_are_bounded(page: Page) -> None:
    for path, limit in (("/api/objects", BODY), ("/api/import?name=a&base_revision=0", UPLOAD)):
        for size in (limit + 1, 10**10, 10**40):
            answer = page.client.post(path, headers={"Content-Length": str(size)})
            assert answer.status_code == 413
    answer = page.client.post("/api/objects", headers={"Content-Length": "-1"})
    assert answer.status_code == 400

    def endless() -> Any:
        for _ in range(BODY // 2**20 + 2):
            yield b" " * 2**20

    assert page.client.post("/api/objects", content=endless()).status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/api/exports/..%2Fsession.db", "/api/exports/%2Fetc%2Fpasswd", "/api/exports/..",
        "/api/exports/%00", "/api/exports/secret", "/static/..%2F__init__.py", "/static/%2e%2e",
        "/static/..%5C..%5Ccli.py", "/api/frames/..%2F0.jpg",
    ],
)  # fmt: skip
def test_nothing_outside_is_read(page: Page, desk: Desk, tmp_path: Path, path: str) -> None:
    exports = desk.opened.folder / "exports"
    exports.mkdir()
    (tmp_path / "outside").write_text("secret")
    (exports / "secret").symlink_to(tmp_path / "outside")
    answer = page.client.get(path)
    assert answer.status_code in (404, 422) and "secret\n" not in answer.text


def test_files_outside_of_the_root_are_not_listed_or_opened(
    client: TestClient, video: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.mp4").touch()
    (video.parent / "link").symlink_to(tmp_path / "elsewhere")
    (video.parent / "b.mp4").touch()
    (video.parent / ".hidden.mp4").touch()
    found = client.get("/api/files").json()
    assert {e["name"]: e["kind"] for e in found["entries"]} == {
        "b.mp4": "video",
        "frames": "folder",
    }
    assert found["parent"] is None
    assert client.get("/api/files?folder=frames").json()["images"] == 8
    for word in ("..", "../elsewhere", "/etc", "link", str(tmp_path), "a\0b", "frames/../.."):
        assert client.get("/api/files", params={"folder": word}).status_code == 400
        assert client.post("/api/open", json={"path": word}).status_code == 400
    answer = client.post("/api/open", json={"path": "b.mp4"})
    assert answer.status_code == 400 and "b.mp4" in answer.json()["error"]
    assert client.get("/api/session").json()["open"] is False
    assert client.post("/api/open", json={"path": "frames"}).status_code == 200
    assert client.get("/api/session").json()["name"] == "frames"


def test_other_machines_need_the_token(desk: Desk) -> None:
    app = create_app(desk, frozenset({HOST}), token="right")
    with TestClient(app, base_url=f"http://{HOST}", headers=PAGE) as client:
        for path in ("/", "/api/session", "/static/style.css", "/?token=wrong", "/?token="):
            assert client.get(path).status_code == 401
        assert client.get("/api/session?token=right").status_code == 401
        answer = client.get("/?token=right&frame=3", follow_redirects=False)
        assert answer.status_code == 303 and answer.headers["location"] == "/?frame=3"
        kept = answer.headers["set-cookie"]
        assert "HttpOnly" in kept and "SameSite=Strict" in kept
        assert client.get("/api/session").status_code == 200


def test_names_of_the_server() -> None:
    local = {f"{name}:9" for name in LOCAL_NAMES}
    assert hosts_of("127.0.0.1", 9) == local
    assert hosts_of("192.168.0.7", 9) == {"192.168.0.7:9"}
    assert hosts_of("fe80::1", 9) == {"[fe80::1]:9"}
