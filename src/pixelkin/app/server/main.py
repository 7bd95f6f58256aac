"""The routes of the server, and what runs it. All of the web framework is here.

serve(desk, "127.0.0.1", 8765)      # until Ctrl-C
create_app(desk, hosts)             # the application alone, for tests
"""

from __future__ import annotations

import asyncio
import mimetypes
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as InPath
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from pixelkin import __version__
from pixelkin.app.server import models, seen
from pixelkin.app.server.opened import Outdated
from pixelkin.app.server.places import Desk
from pixelkin.app.server.security import Guard
from pixelkin.types import InputError

STATIC = Path(__file__).parents[1] / "static"
FOREVER = "private, max-age=31536000, immutable"
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
WAIT = 60.0  # seconds for a frame

FrameNumber = Annotated[int, InPath(ge=0, le=2**31 - 1)]
Id = Annotated[int, InPath(ge=0, le=2**31 - 1)]


def create_app(desk: Desk, hosts: frozenset[str], token: str | None = None) -> FastAPI:
    """The application.

    Args:
        desk: What is open, and may be opened.
        hosts: Names, with ports, under which it is reached.
        token: What a browser must know; None where only this machine can ask.
    """
    app = FastAPI(title="pixelkin", version=__version__, docs_url=None, redoc_url=None,
                  openapi_url="/api/openapi.json")  # fmt: skip
    app.add_middleware(Guard, hosts=hosts, token=token)
    _errors(app)
    _reading(app, desk)
    _editing(app, desk)
    _working(app, desk)
    _opening(app, desk)
    _page(app)
    return app


def _errors(app: FastAPI) -> None:
    def told(status: int) -> Callable[[Request, Exception], JSONResponse]:
        return lambda _, error: JSONResponse({"error": str(error)}, status)

    app.add_exception_handler(InputError, told(400))
    app.add_exception_handler(IndexError, told(404))
    app.add_exception_handler(Outdated, told(409))

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"error": f"{where or 'the request'}: {first['msg']}"}, 422)


def _reading(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/session")
    def session() -> dict[str, Any]:
        """What is open; `open` says whether anything is."""
        about = {"open": not desk.empty, "version": __version__, "root": desk.root.name}
        if desk.empty:
            return about
        jobs = [job.to_json() for job in desk.opened.jobs()]
        return about | desk.opened.look(seen.of_session) | {"jobs": jobs}

    @app.get("/api/timeline")
    def timeline() -> dict[str, Any]:
        """All frames at once."""
        return desk.opened.look(seen.of_timeline, keep=True)

    @app.get("/api/labels/{frame}")
    def labels(frame: FrameNumber) -> dict[str, Any]:
        """What is known of the objects in a frame."""
        found = desk.opened.look(seen.of_frame, frame)
        desk.opened.seen(frame)
        return found

    @app.get("/api/suggest")
    def suggest(k: Annotated[int, Query(ge=1, le=1000)] = 20) -> list[dict[str, Any]]:
        """The frames that ask for a look most."""
        return desk.opened.look(seen.of_checks, k, keep=True)

    @app.get("/api/frames/{frame}.jpg", response_class=Response)
    async def frames(frame: FrameNumber, full: bool = False) -> Response:
        """A frame as JPEG; its long side has 1280 pixels at most, unless `full`."""
        asked = asyncio.wrap_future(desk.opened.frames.get(frame, full=full))
        try:
            content = await asyncio.wait_for(asyncio.shield(asked), WAIT)
        except (TimeoutError, asyncio.CancelledError):
            raise InputError(f"frame {frame} was not decoded in time: ask again") from None
        headers = {"cache-control": FOREVER, "x-frame": str(frame)}
        return Response(content, media_type="image/jpeg", headers=headers)

    @app.get("/api/events", response_class=StreamingResponse)
    async def events() -> StreamingResponse:
        """What happens, as it happens (server-sent events)."""
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(desk.hub.listen(), media_type="text/event-stream", headers=headers)


def _editing(app: FastAPI, desk: Desk) -> None:
    def done(**more: Any) -> dict[str, Any]:
        return {"revision": desk.opened.revision, **more}

    @app.put("/api/labels/{frame}/{object}")
    def put_label(frame: FrameNumber, object: Id, body: models.Label) -> dict[str, Any]:
        """Say where an object is in a frame, or that it is not."""
        desk.opened.label(frame, object, body)
        return done()

    @app.delete("/api/labels/{frame}/{object}")
    def delete_label(frame: FrameNumber, object: Id, body: models.Edit) -> dict[str, Any]:
        """Take back what was said of an object in a frame."""
        with desk.opened.edit(body.base_revision) as session:
            session.unlabel(frame, object)
        return done()

    @app.post("/api/objects", status_code=201)
    def add_object(body: models.NewObject) -> dict[str, Any]:
        """Add an object."""
        with desk.opened.edit(body.base_revision) as session:
            given = body.model_dump(exclude={"base_revision"})
            new = session.add_object(**given)
        return done(id=new.id)

    @app.patch("/api/objects/{object}")
    def change_object(object: Id, body: models.ObjectChange) -> dict[str, Any]:
        """Change name, colour, parent, place in the list, lock or visibility of an object."""
        given = body.model_dump(exclude={"base_revision"}, exclude_unset=True)
        with desk.opened.edit(body.base_revision) as session:
            session.change_object(object, **given)
        return done()

    @app.delete("/api/objects/{object}")
    def remove_object(object: Id, body: models.Edit) -> dict[str, Any]:
        """Remove an object with its labels."""
        with desk.opened.edit(body.base_revision) as session:
            session.remove_object(object)
        return done()

    @app.post("/api/skeleton")
    def connect(body: models.Edge) -> dict[str, Any]:
        """Draw a line between two keypoints."""
        with desk.opened.edit(body.base_revision) as session:
            session.connect(body.a, body.b)
        return done()

    @app.delete("/api/skeleton")
    def disconnect(body: models.Edge) -> dict[str, Any]:
        """Take back the line between two keypoints."""
        with desk.opened.edit(body.base_revision) as session:
            session.disconnect(body.a, body.b)
        return done()

    @app.post("/api/review")
    def review(body: models.Review) -> dict[str, Any]:
        """Say that frames are right, or want a look."""
        desk.opened.review(body)
        return done()

    @app.put("/api/cuts/{frame}")
    def cut(frame: FrameNumber, body: models.Cut) -> dict[str, Any]:
        """Say whether a new shot begins with a frame."""
        with desk.opened.edit(body.base_revision) as session:
            session.set_cut(frame, body.cut)
        return done()

    @app.post("/api/undo")
    def undo(body: models.Edit) -> dict[str, Any]:
        """Take back the last edit; `what` it was, or null."""
        with desk.opened.edit(body.base_revision) as session:
            what = session.undo()
        return done(what=what)

    @app.post("/api/redo")
    def redo(body: models.Edit) -> dict[str, Any]:
        """Do again what was undone last; `what` it was, or null."""
        with desk.opened.edit(body.base_revision) as session:
            what = session.redo()
        return done(what=what)


def _working(app: FastAPI, desk: Desk) -> None:
    @app.post("/api/jobs", status_code=202)
    def start(body: models.NewJob) -> dict[str, Any]:
        """Compute what is missing, or write labels in a format."""
        return desk.opened.start(body).to_json()

    @app.delete("/api/jobs/{job}", status_code=202)
    def cancel(job: Id) -> dict[str, Any]:
        """Stop a job."""
        if not desk.opened.cancel(job):
            raise IndexError(f"no job {job}")
        return {"id": job}

    @app.get("/api/exports/{name}", response_class=FileResponse)
    def exported(name: str) -> FileResponse:
        """A file that was written."""
        path = None if "\0" in name else desk.opened.export(name)
        if path is None:
            raise IndexError(f"no file {name!r} was written")
        return FileResponse(path, filename=path.name, content_disposition_type="attachment")

    @app.post("/api/import")
    async def take(
        request: Request,
        name: Annotated[str, Query(max_length=200)],
        base_revision: Annotated[int, Query(ge=0, le=2**53)],
        frame: Annotated[int | None, Query(ge=0, le=2**31 - 1)] = None,
    ) -> dict[str, Any]:
        """Take over labels; the body is the file, or a zip archive of a folder."""
        opened = desk.opened
        plain = Path(name.replace("\\", "/").replace("\0", "")).name
        if plain in ("", ".", ".."):
            raise InputError("a file of labels has a name")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / plain
            try:
                with path.open("wb") as file:
                    async for chunk in request.stream():
                        file.write(chunk)
            except OSError as error:
                raise InputError(f"{plain} cannot be kept: {error.strerror}") from error
            frames = await asyncio.to_thread(opened.take, path, frame, base_revision)
        return {"revision": opened.revision, "frames": frames}


def _opening(app: FastAPI, desk: Desk) -> None:
    @app.get("/api/files")
    def files(folder: Annotated[str, Query(max_length=4096)] = "") -> dict[str, Any]:
        """What a folder below the root holds."""
        return desk.files(folder)

    @app.post("/api/open")
    def open_(body: models.Opening) -> dict[str, Any]:
        """Open a video or a session below the root, or the demo clip."""
        if body.demo:
            desk.open_demo()
        elif body.path is not None:
            desk.open_below(body.path)
        else:
            raise InputError("name what is to be opened")
        return {"open": True}


def _page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> Response:
        text = (STATIC / "index.html").read_text("utf-8").replace("VERSION", __version__)
        return Response(text, media_type="text/html", headers={"cache-control": "no-cache"})

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        if name not in {path.name for path in STATIC.iterdir()}:
            raise IndexError(f"no file {name!r}")
        kind = TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0]
        return FileResponse(STATIC / name, media_type=kind, headers={"cache-control": "no-cache"})


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    def handle_exit(self, sig: int, frame: Any) -> None:
        """End the streams of events as well, which would go on for ever."""
        self._end()
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        InputError: If that cannot be.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        bound = socket.socket(family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)  # who asks before it answers waits
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{host}, port {port}: {why}: choose another --port or --host") from error
    return bound


def make_server(app: FastAPI, desk: Desk) -> uvicorn.Server:
    """What answers requests, by its `run(sockets=[...])`, until it `should_exit`."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    return _Server(config, desk.hub.close)


def serve(app: FastAPI, desk: Desk, bound: socket.socket) -> None:
    """Answer requests until somebody stops it (Ctrl-C, or a signal)."""
    make_server(app, desk).run(sockets=[bound])
