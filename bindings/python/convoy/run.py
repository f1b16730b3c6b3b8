"""A run of a convoy."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future
from ctypes import byref, c_uint64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, AsyncIterator, Deque, Dict, Generator, Iterator, List, Optional, Tuple

from . import _arguments, _lifetime
from ._library import EMPTY, END, OK, TELL, TIMED_OUT, call, call_text
from ._loop import working
from .errors import EngineError

if TYPE_CHECKING:
    from .engine import Engine

__all__ = ["Event", "Result", "Run"]

#: An event: its ``"type"`` says which; the README lists the others that stand in every event.
Event = Dict[str, Any]

#: Events that are read at once.
_BATCH = 512
#: How long one call waits, in milliseconds: between calls Python handles signals such as Ctrl-C.
_SLICE = 250


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    #: ``"finished"``, or ``"interrupted"``: then :meth:`Engine.resume` takes it up.
    ended: str
    #: The convoy, as :meth:`Engine.status` gives it.
    view: Dict[str, Any]
    #: What should be known beside it: of the convoy file, and what went wrong, such as a branch that could not be moved.
    warnings: List[str]

    @property
    def status(self) -> str:
        """The status of the convoy: ``"done"``, ``"failed"``, ``"gate-failed"``, ``"hook-failed"``, ``"cancelled"``; of
        an interrupted run ``"running"`` or ``"paused"``.
        """
        return str(self.view["status"])


def _result(text: bytes) -> Result:
    raw = json.loads(text)
    return Result(raw["ended"], raw["view"], raw["warnings"])


class _Waker:
    """Wakes those who wait for events on event loops. The library knows it by a number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: List[Tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]] = []

    def add(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None]":
        """Is done when there may be something to read."""
        waiting = loop.create_future()
        with self._lock:
            self._waiting.append((loop, waiting))
        return waiting

    def wake(self, *but: "asyncio.Future[None]") -> None:
        """Wakes all who wait. One whose loop is closed waits no longer."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            if future in but:
                continue
            try:
                loop.call_soon_threadsafe(_set, future, None)
            except RuntimeError:
                pass


def _set(future: "asyncio.Future[Any]", value: Any, error: Optional[BaseException] = None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)


_keys = itertools.count(1)
_wakers: Dict[int, _Waker] = {}


def _on_wake(key: Optional[int]) -> None:
    waker = _wakers.get(key or 0)
    if waker is not None:
        waker.wake()


def _on_destroyed(key: Optional[int]) -> None:
    if _wakers.pop(key or 0, None) is not None:
        _lifetime.leave()


# They are never freed.
_wake, _wake_destroyed = TELL(_on_wake), TELL(_on_destroyed)


class Run:
    """A run of a convoy in this process: from start, resume, retry or publish to its end.

    It goes on whether or not anybody refers to it, until its engine is shut down. Every method may be called from any
    thread. Events are given once: several readers at a time get different ones.
    """

    def __init__(self, engine: "Engine", handle: int) -> None:
        _lifetime.add_run(handle)
        weakref.finalize(self, _lifetime.free_run, handle).atexit = False
        #: The engine that runs it.
        self.engine = engine
        self._handle = handle
        self._events: Deque[Event] = deque()
        self._over = False
        self._lock = threading.Lock()
        self._waker: Optional[_Waker] = None
        self._end: Optional["Future[Result]"] = None
        self._id = call_text("convoy_run_id", handle)[1].decode()

    @property
    def id(self) -> str:
        """The id of the convoy."""
        return self._id

    def __repr__(self) -> str:
        return f"<convoy.Run {self.id}>"

    @property
    def first_event_id(self) -> int:
        """The ``_event_id`` of the event with which this run began; :meth:`Engine.events` has the ones before."""
        out = c_uint64()
        call("convoy_run_first_event_id", self._handle, byref(out))
        return int(out.value)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        try:
            return self._wait(0) is not None
        except EngineError:
            return True  # The engine had to stop without an end.

    def wait(self, timeout: Optional[float] = None) -> Result:
        """Waits for the end, for up to ``timeout`` seconds; a ``TimeoutError`` says that it has not come.

        Where the engine had to stop without an end, that is raised: the convoy can be resumed. Events are read
        independently of it. On the event loop that its adapters need it refuses with a ``RuntimeError``, as reading does.
        """
        deadline = None if timeout is None else time.monotonic() + _arguments.millis("timeout", timeout) / 1000
        if timeout != 0:
            self._must_not_block("run.wait()", "await run")
        while True:
            left = _SLICE if deadline is None else int((deadline - time.monotonic()) * 1000)
            result = self._wait(max(0, min(left, _SLICE)))
            if result is not None:
                return result
            if left <= 0:
                raise TimeoutError(f"the run {self.id} has not ended within {timeout} s")

    def _wait(self, millis: int) -> Optional[Result]:
        status, text = call_text("convoy_run_wait", self._handle, millis)
        return _result(text) if status == OK else None

    def _must_not_block(self, what: str, instead: str) -> None:
        if self.engine._loop.here and not self.done:
            raise RuntimeError(
                f"{what} would wait for agents on the event loop that they run on: use `{instead}`"
            )
        if working.convoy == self.id and not self.done:
            raise RuntimeError(
                f"{what} would wait for a run that waits for this very code to return: read or await it elsewhere"
            )

    def __await__(self) -> Generator[Any, None, Result]:
        """``await run`` is :meth:`wait` for asyncio. Cancelling it leaves the run alone."""
        return self._ended().__await__()

    async def _ended(self) -> Result:
        loop = asyncio.get_running_loop()
        waiting: "asyncio.Future[Result]" = loop.create_future()

        def ended(end: "Future[Result]") -> None:
            error = end.exception()
            try:
                loop.call_soon_threadsafe(_set, waiting, None if error else end.result(), error)
            except RuntimeError:
                pass  # The loop is closed: nobody waits.

        self._watch_end().add_done_callback(ended)
        return await waiting

    def _watch_end(self) -> "Future[Result]":
        with self._lock:
            if self._end is None:
                self._end = Future()
                arguments = (self._end, self._handle, self)
                threading.Thread(target=_wait_for_end, args=arguments, name="convoy-wait", daemon=True).start()
            return self._end

    def events_after(self, event_id: int) -> None:
        """Has the events begin with the first whose ``_event_id`` is above this, in the place of the first of this run.

        0 gives all of the convoy, also of earlier runs. To be called before events are read.
        """
        call("convoy_run_events_after", self._handle, _arguments.number("event_id", event_id))

    def __iter__(self) -> Iterator[Event]:
        """The events of this run, from its first to ``run_ended``, each as soon as it is there.

        Reading can be left off and taken up again. While it waits for an event, signals are handled.
        """
        while True:
            event = self._next()
            if event is not None:
                yield event
            elif self._over:
                return
            else:
                self._must_not_block("`for event in run`", "async for event in run")
                self._read("convoy_run_wait_events", _SLICE)

    def _next(self) -> Optional[Event]:
        """An event that was read."""
        try:
            return self._events.popleft()
        except IndexError:
            return None

    def __aiter__(self) -> AsyncIterator[Event]:
        """As ``for event in run``, for asyncio."""
        return self._follow()

    async def _follow(self) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        while True:
            event = self._next()
            if event is not None:
                yield event
                continue
            if self._over:
                return
            waker = self._wake_set()
            waiting = waker.add(loop)
            if self._read("convoy_run_next_events") == EMPTY:
                await waiting
            else:
                # Somebody else who waits here may get some of it, or sees the end.
                waker.wake(waiting)

    def _wake_set(self) -> _Waker:
        """The waker, which the library is told of once."""
        with self._lock:
            if self._waker is None:
                waker, key = _Waker(), next(_keys)
                _lifetime.enter()
                _wakers[key] = waker
                call("convoy_run_set_wake", self._handle, _wake, key, _wake_destroyed)
                self._waker = waker
            return self._waker

    def _read(self, function: str, *wait: int) -> int:
        """Reads what is there."""
        status, text = call_text(function, self._handle, _BATCH, *wait)
        if status == OK:
            self._events.extend(json.loads(text))
        elif status == END:
            self._over = True
        return EMPTY if status == TIMED_OUT else status

    def pause(self) -> None:
        """Asks it to pause: agents that run finish, and nothing starts. Never blocks, as the three below."""
        call("convoy_run_pause", self._handle)

    def unpause(self) -> None:
        """Ends a pause."""
        call("convoy_run_unpause", self._handle)

    def cancel(self) -> None:
        """Asks it to end for good: agents that run are ended, their work is kept."""
        call("convoy_run_cancel", self._handle)

    def interrupt(self, reason: Optional[str] = None) -> None:
        """Asks it to stop so that it can be resumed. ``reason`` is for the record."""
        call("convoy_run_interrupt", self._handle, _arguments.perhaps_text("reason", reason))


def _wait_for_end(end: "Future[Result]", handle: int, _run: Run) -> None:
    """On a thread, which keeps the run."""
    try:
        _status, text = call_text("convoy_run_wait", handle, -1)
        end.set_result(_result(text))
    except BaseException as error:  # noqa: B902 - who waits is told
        end.set_exception(error)
