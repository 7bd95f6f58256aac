"""Whatever is asked, as the description of the interface has it, is answered, and never by 5xx."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from asking import Page, square

from pixelkin.app.server.main import create_app
from pixelkin.app.server.places import Desk

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")

from hypothesis import HealthCheck, given, settings  # noqa: E402

HOST = "testserver"
HEADERS = {"Host": HOST, "Origin": f"http://{HOST}", "X-Pixelkin": "1"}
STREAMS = "/api/events"  # has no end


@pytest.fixture
def description(page: Page, desk: Desk) -> Any:
    page.edit("POST", "/api/objects", name="dog")
    page.edit("POST", "/api/objects", name="nose", kind="keypoint")
    page.paint(0, 1, square(0))
    app = create_app(desk, frozenset({HOST}))
    found = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=HEADERS)
    return found.exclude(path=STREAMS)


def test_every_request_is_answered(description: Any, desk: Desk, video: Path) -> None:
    around = video.parent.parent
    before = sorted(p.name for p in around.iterdir())
    counts: Counter[int] = Counter()
    for found in description.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=20, deadline=None, derandomize=True, database=None,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        def ask(case: Any) -> None:
            if (
                isinstance(case.body, dict)
                and "base_revision" in case.body
                and sum(counts.values()) % 4
            ):
                case.body["base_revision"] = desk.opened.revision
            answer = case.call(headers=HEADERS)
            assert answer.status_code < 500, (case, answer.text)
            counts[answer.status_code] += 1

        ask()
    assert {200, 201, 202, 400, 404, 409} <= counts.keys(), counts  # it gets somewhere
    assert sorted(p.name for p in around.iterdir()) == before


def test_the_description_has_all_that_the_page_asks_for(page: Page) -> None:
    paths = page.get("/api/openapi.json")["paths"]
    assert {"/api/session", "/api/labels/{frame}", "/api/labels/{frame}/{object}"} <= set(paths)
    assert len(paths) == 20
