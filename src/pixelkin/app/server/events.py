"""Events for all pages that listen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from threading import Lock
from typing import Any

MOST = 1000  # events that wait for one listener; one that is slower misses some
BEAT = 15.0  # seconds after which something is sent, so that a dead connection is noticed

Queue = asyncio.Queue[dict[str, Any] | None]


class Hub:
    """Takes events from any thread, and gives them to each who listens."""

    def __init__(self) -> None:
        self._listeners: list[tuple[asyncio.AbstractEventLoop, Queue]] = []
        self._lock = Lock()
        self._closed = False

    def tell(self, event: str, **data: Any) -> None:
        """Tell all who listen; `event` is what has happened."""
        self._put({"event": event, **data})

    def close(self) -> None:
        """Send everybody away."""
        self._closed = True
        self._put(None)

    async def listen(self) -> AsyncIterator[str]:
        """Events as a browser's EventSource reads them, until `close`."""
        queue: Queue = asyncio.Queue(MOST)
        own = asyncio.get_running_loop(), queue
        with self._lock:
            self._listeners.append(own)
        try:
            yield "retry: 1000\n\n"
            while not self._closed:
                try:
                    data = await asyncio.wait_for(queue.get(), BEAT)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                if data is None:
                    return
                yield f"data: {json.dumps(data)}\n\n"
        finally:
            with self._lock:
                self._listeners.remove(own)

    def _put(self, data: dict[str, Any] | None) -> None:
        def put(queue: Queue) -> None:
            if not queue.full():
                queue.put_nowait(data)

        with self._lock:
            for loop, queue in self._listeners:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(put, queue)
