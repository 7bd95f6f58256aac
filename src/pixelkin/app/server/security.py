"""What stands before every request: who may ask, from where, and for how much.

A page of another site that is open in the same browser can send requests to this server. It cannot
choose the Host header, nor hide its Origin, nor add a header of its own without being asked first.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode

from pixelkin.types import InputError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

BODY = 32 * 2**20
UPLOAD = 2 * 2**30
COOKIE = "pixelkin"
LOCAL = ("127.0.0.1", "localhost", "[::1]")
HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """Refuses requests that are not of this server's own page, and says what the page may do.

    Args:
        app: What answers the others.
        hosts: Names under which the server is reached, each with its port: "127.0.0.1:8765".
        token: What a browser must know; None where only this machine can ask.
        uploads: Path of the one request that may be as large as a file.
    """

    def __init__(
        self, app: App, hosts: frozenset[str], token: str | None, uploads: str = "/api/import"
    ) -> None:
        self._app, self._hosts, self._token, self._uploads = app, hosts, token, uploads

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        body = _Body(receive, UPLOAD if scope["path"] == self._uploads else BODY)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["status"] = 413 if body.too_large else message["status"]
                own = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        refused = self._refused(scope, headers, body.limit)
        if refused is not None:
            status, reason, extra = refused
            await _answer(guarded, status, reason, extra)
            return
        await self._app(scope, body.receive, guarded)

    def _refused(
        self, scope: Mapping[str, Any], headers: Mapping[str, str], limit: int
    ) -> tuple[int, str, dict[str, str]] | None:
        """Status, reason and headers of a request that is not to be answered."""
        host = headers.get("host", "")
        if host.lower() not in self._hosts:
            return 400, f"this server is not called {host!r}", {}
        if self._token is not None:
            refused = self._without_token(scope, headers, self._token)
            if refused is not None:
                return refused
        if scope["method"] not in ("GET", "HEAD"):
            if headers.get("origin", "").lower() not in (f"http://{host}", f"https://{host}"):
                return 403, "changes are asked for by the server's own page only (Origin)", {}
            if headers.get("x-pixelkin") != "1":
                return 403, "changes need the header X-Pixelkin: 1", {}
        size = headers.get("content-length", "0")
        if not size.isdecimal():
            return 400, "Content-Length is no number", {}
        if len(size) > 15 or int(size) > limit:
            return 413, f"more than {limit // 2**20} MiB: too large", {}
        return None

    @staticmethod
    def _without_token(
        scope: Mapping[str, Any], headers: Mapping[str, str], token: str
    ) -> tuple[int, str, dict[str, str]] | None:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        if cookie is not None and _same(cookie.value, token):
            return None
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if scope["path"] == "/" and _same(query.pop("token", [""])[0], token):
            to = "/" + (f"?{urlencode(query, doseq=True)}" if query else "")
            kept = f"{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
            return 303, "", {"location": to, "set-cookie": kept}
        return 401, "open the address that pixelkin app printed: it holds the token", {}


def hosts_of(host: str, port: int) -> frozenset[str]:
    """The names under which a server that is bound to `host` is reached."""
    named = f"[{host}]" if ":" in host else host
    local = host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "::")
    names = {named, *LOCAL} if local else {named}
    return frozenset(
        {f"{name}:{port}".lower() for name in names} | (names if port == 80 else set())
    )


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


class _Body:
    """A body that may not be longer than a limit, also where it does not say how long it is."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._read = receive, 0
        self.limit = limit

    @property
    def too_large(self) -> bool:
        return self._read > self.limit

    async def receive(self) -> Message:
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self.too_large:
            raise InputError(f"more than {self.limit // 2**20} MiB: too large")
        return message


async def _answer(send: Send, status: int, reason: str, extra: Mapping[str, str]) -> None:
    content = json.dumps({"error": reason}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(content)), **extra}
    pairs = [(k.encode(), v.encode()) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


def _same(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(), token.encode())
