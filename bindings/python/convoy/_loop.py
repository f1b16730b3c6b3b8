"""Where coroutines of adapters run."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, Callable, Coroutine, Optional


class _Working(threading.local):
    """What a thread works on for the engine."""

    #: The id of the convoy that waits for what plain code on this thread returns.
    convoy: Optional[str] = None


working = _Working()


class Loop:
    """The loop of the host, or one of our own on a thread that starts when it is first needed."""

    def __init__(self, given: Optional[asyncio.AbstractEventLoop]) -> None:
        self.given = given
        self._own: Optional[asyncio.AbstractEventLoop] = None
        self._stopped = False
        self._lock = threading.Lock()

    @property
    def here(self) -> bool:
        """Whether it runs on this thread."""
        here = asyncio._get_running_loop()
        return here is not None and here is (self.given or self._own)

    @property
    def runs(self) -> bool:
        """Whether what is handed over is done some time."""
        return self.given is None or self.given.is_running()

    @property
    def closed(self) -> bool:
        """Whether nothing can run on it any more."""
        return self.given is not None and self.given.is_closed()

    def hand_over(self, function: Any, *arguments: Any) -> None:
        """Has a function called on the loop. A ``RuntimeError`` says that it is closed."""
        self._get().call_soon_threadsafe(function, *arguments)

    def _get(self) -> asyncio.AbstractEventLoop:
        if self.given is not None:
            return self.given
        with self._lock:
            if self._stopped:
                raise RuntimeError("the engine is closed")
            if self._own is None:
                own = asyncio.new_event_loop()
                threading.Thread(target=_run, args=(own,), name="convoy-loop", daemon=True).start()
                self._own = own
            return self._own

    def stop(self) -> None:
        """Ends the loop of our own, if there is one; its thread closes it."""
        with self._lock:
            self._stopped = True
            if self._own is not None and not self._own.is_closed():
                self._own.call_soon_threadsafe(self._own.stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        _until_stopped(loop)
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            # What ignores its cancellation is left behind.
            loop.run_until_complete(asyncio.wait(left, timeout=1))
            for task in left:
                task._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def _until_stopped(loop: asyncio.AbstractEventLoop) -> None:
    while True:
        try:
            return loop.run_forever()
        except (SystemExit, KeyboardInterrupt):
            continue  # Of one coroutine, which has failed by it. The loop is there for all.


async def in_daemon(function: Callable[[], None]) -> None:
    """Awaits a function that blocks, on a thread which nobody waits for at the end of the interpreter."""
    loop = asyncio.get_running_loop()
    ended: "asyncio.Future[None]" = loop.create_future()

    def work() -> None:
        error: Optional[BaseException] = None
        try:
            function()
        except BaseException as raised:  # noqa: B902 - who waits is told
            error = raised
        try:
            loop.call_soon_threadsafe(_end, ended, error)
        except RuntimeError:
            pass  # The loop is closed: nobody waits.

    threading.Thread(target=work, name="convoy-close", daemon=True).start()
    await ended


def _end(future: "asyncio.Future[None]", error: Optional[BaseException]) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)


class HostTask(asyncio.Task):  # type: ignore[type-arg]
    """A task that knows whether somebody asked for its end, or whether its code was cancelled from within."""

    def __init__(self, code: Coroutine[Any, Any, Any], *, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(code, loop=loop)
        self.asked = False

    def cancel(self, *arguments: Any, **named: Any) -> bool:
        """Asks for the end."""
        self.asked = True
        return super().cancel(*arguments, **named)
