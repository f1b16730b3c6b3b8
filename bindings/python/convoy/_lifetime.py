"""Ends what the library runs for this process before Python ends, forks or forgets it.

Threads of the library call into Python. None may do so once the interpreter ends, so that every engine is shut down
before, at the latest in a handler of ``atexit``: runs are interrupted (they can be resumed), agents are asked to end.
An engine that nobody refers to any more is shut down on a thread of this module, as that can take a while. The same
thread does it at the end of the interpreter, where no new one can be started: the main thread must be free to give up
what never ends.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from typing import Callable, Dict, List, Optional, Set

from ._library import TELL, call, lib
from .errors import Error

#: How long the end of the interpreter waits for code of the host that the engine does not ask to end (steps of landing,
#: functions that get records), and then for calls from the library that are under way, in seconds.
_LAST_CALLS = 5.0


class Open:
    """An engine of the library that is not yet closed."""

    def __init__(self, handle: int, after: Callable[[], None]) -> None:
        self.handle = handle
        self._after = after
        self._lock = threading.Lock()
        self._closed = False
        self._process = os.getpid()
        with _state.lock:
            _state.open[handle] = self

    @property
    def closed(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._closed

    @property
    def foreign(self) -> bool:
        """Whether this process is a fork of the one that it was made in."""
        return self._process != os.getpid()

    def close(self) -> None:
        """Shuts the engine down and frees it; who comes second waits for the first. Nothing in a fork."""
        if self.foreign:
            return
        self._closed = True
        with self._lock:
            if _state.open.get(self.handle) is not self:
                return
            try:
                call("convoy_engine_shutdown", self.handle)
            finally:
                lib.convoy_engine_free(self.handle)
                with _state.lock:
                    _state.open.pop(self.handle, None)
                self._after()
                with _state.changed:
                    _state.changed.notify_all()


class _State:
    """What belongs to this process. A fork begins with a new one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.changed = threading.Condition()
        #: Engines by handle.
        self.open: Dict[int, Open] = {}
        #: Handles of runs.
        self.runs: Set[int] = set()
        #: Calls from the library that have not returned, and wakes that may still come.
        self.inside = 0
        #: Threads that hand records over to code of the host.
        self.telling = 0
        #: Engines that nobody refers to; putting one in is possible wherever garbage is collected.
        self.dropped: "queue.SimpleQueue[Open]" = queue.SimpleQueue()
        self.reaper: Optional[threading.Thread] = None


_state = _State()


def _reap(dropped: "queue.SimpleQueue[Open]") -> None:
    while True:
        try:
            dropped.get().close()
        except Error:
            pass  # It is freed; there is nobody to tell.


def start_reaper() -> None:
    """Starts the thread for engines that are dropped: before there are any, as garbage collection cannot do it."""
    with _state.lock:
        if _state.reaper is None:
            _state.reaper = threading.Thread(
                target=_reap, args=(_state.dropped,), name="convoy-reaper", daemon=True
            )
            _state.reaper.start()


def drop(resource: Open) -> None:
    """Has an engine shut down that nobody refers to. Never blocks."""
    _state.dropped.put(resource)


def add_run(handle: int) -> None:
    """A run was made."""
    _state.runs.add(handle)


def free_run(handle: int) -> None:
    """Nobody refers to a run any more. Never blocks."""
    _state.runs.discard(handle)
    lib.convoy_run_free(handle)


def enter() -> None:
    """A call from the library begins, or a wake can come from now on."""
    with _state.changed:
        _state.inside += 1


def leave() -> None:
    """It is over. The last that such a call does."""
    with _state.changed:
        _state.inside -= 1
        _state.changed.notify_all()


def begin_telling() -> None:
    """A thread begins to hand over records."""
    with _state.changed:
        _state.telling += 1


def end_telling() -> None:
    """It has handed over all."""
    with _state.changed:
        _state.telling -= 1
        _state.changed.notify_all()


#: What gives up code of the host that would keep the interpreter: steps of landing, and functions that get records.
give_up_landing: List[Callable[[], None]] = []
give_up_telling: List[Callable[[], None]] = []


def _wait_for(condition: Callable[[], bool], seconds: Optional[float] = None) -> bool:
    """Whether it came about. Ctrl-C is as the end of the time."""
    try:
        with _state.changed:
            return _state.changed.wait_for(condition, seconds)
    except KeyboardInterrupt:
        return False


def _at_exit() -> None:
    for engine in list(_state.open.values()):
        drop(engine)
    if not _wait_for(lambda: not _state.open, _LAST_CALLS):
        for give_up in give_up_landing:
            give_up()
        # The library itself gives up agents that do not end.
        while not _wait_for(lambda: not _state.open):
            pass
    for run in list(_state.runs):
        # Not freed: a thread may read its last events.
        try:
            call("convoy_run_set_wake", run, TELL(), 0, TELL())
        except Error:
            pass  # It was freed just now.
    if not _wait_for(lambda: _state.inside == 0 and _state.telling == 0, _LAST_CALLS):
        for give_up in give_up_telling:
            give_up()
        _wait_for(lambda: _state.inside == 0, _LAST_CALLS)


def _after_fork() -> None:
    global _state
    _state = _State()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
