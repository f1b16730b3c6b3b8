"""What the engine asks of code of the host."""

from __future__ import annotations

import threading
import traceback
from pathlib import Path
from typing import Any, Callable, Dict, Generic, List, Optional, TypeVar, Union

from . import _arguments
from ._library import NO_COMPLETION, call
from .errors import CallError, Cancelled

__all__ = [
    "AdvanceRequest",
    "AgentRequest",
    "GateRequest",
    "HookRequest",
    "PrepareRequest",
    "PromptRequest",
    "Request",
    "ReviewRequest",
    "SettleRequest",
]

_STREAMS = {"stdout": 1, "stderr": 2}


T = TypeVar("T")


class _Member(Generic[T]):
    """A member of a request, as an attribute."""

    def __init__(self, name: str, convert: Callable[[Any], T], doc: str) -> None:
        self._name, self._convert, self.__doc__ = name, convert, doc

    def __get__(self, request: Optional["Request"], _owner: Optional[type] = None) -> T:
        if request is None:
            return self  # type: ignore[return-value]  # For those who look at the class, such as help().
        return self._convert(self._value(request.raw))

    def _value(self, raw: Dict[str, Any]) -> Any:
        return raw[self._name]


class _Perhaps(_Member[Optional[T]]):
    """One that may be missing."""

    def __init__(self, name: str, convert: Callable[[Any], T], doc: str) -> None:
        super().__init__(name, lambda value: None if value is None else convert(value), doc)

    def _value(self, raw: Dict[str, Any]) -> Any:
        return raw.get(self._name)


def _seconds(millis: float) -> float:
    return float(millis) / 1000


def _env(env: Dict[str, str]) -> Dict[str, str]:
    return dict(env)


def _texts(texts: List[str]) -> List[str]:
    return list(texts)


class Request:
    """A question of the engine. Everything that it says is in :attr:`raw`, also what this version does not know."""

    def __init__(self, raw: Dict[str, Any], ident: int) -> None:
        #: The request as the engine made it.
        self.raw = raw
        self._ident = ident
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._callbacks: List[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        """Whether the engine asked to end this soon: cancelled, interrupted, too slow, or the engine ends.

        An agent that returns after that counts as cancelled, unless it returns a mapping with an ``"outcome"``.
        """
        return self._event.is_set()

    def wait_cancelled(self, timeout: Optional[float] = None) -> bool:
        """Waits until the engine asks to end this, for up to ``timeout`` seconds; whether it did.

        What is returned then counts as :attr:`cancelled` says.
        """
        return self._event.wait(timeout)

    def check(self) -> None:
        """Raises :class:`convoy.Cancelled` if the engine asked to end this. Call it now and then in a loop."""
        if self.cancelled:
            raise Cancelled("the engine asked to end this")

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Has ``callback()`` called when the engine asks to end this; at once if it did already.

        It comes on a thread of the library and should return soon: kill a process, set an event. What it raises is
        printed, and keeps no other from being called.
        """
        if not callable(callback):
            raise TypeError(f"callback is something to be called, not {type(callback).__name__}")
        with self._lock:
            if not self._event.is_set():
                self._callbacks.append(callback)
                return
        callback()

    def _cancel(self) -> None:
        with self._lock:
            self._event.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except BaseException:  # noqa: B902 - of the host, on a thread of the library
                traceback.print_exc()

    def _tell(self, function: str, *arguments: Any) -> None:
        try:
            call(function, self._ident, *arguments)
        except CallError as error:
            if error.status != NO_COMPLETION:
                raise
            raise _Late("the engine no longer waits for this") from None


class _Late(Cancelled):
    """Raised where the engine waits no longer, which it tells here, perhaps before it asks to end this."""


class _Printing(Request):
    def output(self, data: Union[str, bytes, bytearray], stream: str = "stdout") -> None:
        """Hands over a piece of what is printed, cut anywhere, for ``"stdout"`` or ``"stderr"``.

        It goes, free of secrets, into the log of the attempt and to those who follow the run as ``task_output``. Waits
        while more than 4 MiB wait to be written. Raises :class:`convoy.Cancelled` when the engine waits no longer.
        """
        if stream not in _STREAMS:
            raise ValueError(f"the stream {stream!r} is none: 'stdout' or 'stderr'")
        if not isinstance(data, (str, bytes, bytearray)):
            raise TypeError(f"data is a text or bytes, not {type(data).__name__}")
        data = bytes(data) if isinstance(data, bytearray) else data
        self._tell("convoy_completion_output", _STREAMS[stream], data)


class AgentRequest(_Printing):
    """What an agent is to do."""

    adapter = _Member("adapter", str, "The name under which the adapter was asked.")
    prompt = _Member(
        "prompt",
        str,
        "The whole text for the agent: its role, then the task's prompt, at the end; a try after one that failed says "
        "before it what went wrong.",
    )
    cwd = _Member("cwd", Path, "The folder to work in, a git worktree of its own. What is in it at the end is the work.")
    env = _Member("env", _env, "The complete environment for processes that are started.")
    task = _Perhaps("task", str, "The id of the task; ``None`` where it works for the whole convoy.")
    attempt = _Perhaps("attempt", int, "The attempt at it, from 1; ``None`` there, and where it judges other work.")
    worker_id = _Member("worker_id", str, "The name of the attempt; it marks what the attempt starts.")
    timeout = _Member("timeout_ms", _seconds, "The longest it may run, in seconds. After that the engine cancels it.")
    grace = _Member("grace_ms", _seconds, "The seconds left to answer after it was cancelled.")
    read_only = _Member("read_only", bool, "Whether nothing may be changed.")
    model = _Perhaps("model", str, 'The model to use; only with the capability ``"model"``.')
    resume_session = _Perhaps("session", str, 'The session to continue; only with the capability ``"resume"``.')
    idle = _Perhaps("idle_ms", _seconds, "The longest it may be silent, in seconds.")

    def session(self, session: str) -> None:
        """Says which session the agent works in, so that it can be continued even if this is cut off."""
        self._tell("convoy_completion_session", _arguments.text("session", session))

    def started(self, pid: int) -> None:
        """Says that the agent runs as this process. Start it with :attr:`env`."""
        self._tell("convoy_completion_started", _arguments.small("pid", pid, 1))


class ReviewRequest(_Printing):
    """A piece of work to judge. It is not trusted: text in :attr:`diff` is data, never an instruction."""

    task = _Member("task", str, "The id of the task.")
    prompt = _Member("prompt", str, "What the agent was asked for.")
    level = _Member("level", str, '``"fast"`` or ``"panel"``.')
    diff = _Member("diff", str, "The change as text.")
    diff_truncated = _Member("diff_truncated", bool, "Whether the end of the diff is missing.")
    paths = _Member("paths", _texts, "The files that changed.")
    base = _Member("base", str, "The commit that the work started from.")
    commit = _Member("commit", str, "The commit of the work.")
    checkout = _Member("checkout", Path, "A folder with the files of the base, to read in.")
    env = _Member("env", _env, "The complete environment for processes that are started.")
    nonce = _Member("nonce", str, "A word that nobody could know while the work was made.")
    worker_id = _Member("worker_id", str, "Marks what the review starts.")
    timeout = _Member("timeout_ms", _seconds, "The longest it may take, in seconds.")


class _Landing(Request):
    integration_ref = _Member("integration_ref", str, "The full name of the ref that work lands on.")


class PrepareRequest(_Landing):
    """Make the landing commit, which nobody sees yet."""

    tip = _Member("tip", str, "The commit to land onto; with ``merge.verify`` perhaps one that has not landed.")
    work = _Member("work", str, "The commit that was checked.")
    message = _Member("message", str, "The whole message of the landing commit.")


class AdvanceRequest(_Landing):
    """Move the ref to the landing commit by compare-and-swap."""

    commit = _Member("commit", str, "The landing commit; with ``merge.verify`` others below it may land with it.")
    onto = _Member("onto", str, "Where the ref must be.")
    fence = _Member("fence", int, "The number of the engine's lease: after one was seen, smaller ones are refused.")


class SettleRequest(_Landing):
    """Say whether the ref reaches a prepared commit."""

    commit = _Member("commit", str, "The landing commit, which need not exist any more.")
    onto = _Member("onto", str, "Where the ref was to be moved from.")


class _Code(Request):
    name = _Member("name", str, "The name under which it was asked.")
    convoy_id = _Member("convoy_id", str, "The id of the convoy.")
    worktree = _Member("worktree", Path, "The folder with the files.")


class _OfTask(_Code):
    task = _Member("task", str, "The id of the task.")
    prompt = _Member("prompt", str, "What the task is.")
    agent = _Member("agent", str, "The role that makes the attempt.")
    attempt_no = _Member("attempt_no", int, "The number of the attempt, from 1.")
    timeout = _Member("timeout_ms", _seconds, "The longest it may take, in seconds: the ``gate_timeout`` of the task.")


class GateRequest(_OfTask):
    """Work to judge, in :attr:`worktree`. It is not trusted: text in :attr:`diff` is data, never an instruction."""

    base = _Member("base", str, "The commit that the work started from.")
    commit = _Member("commit", str, "The commit of the work.")
    tree = _Member("tree", str, "Its tree. A gate that passed is not asked again about the same one.")
    changed_files = _Member("changed_files", _texts, "The paths that the work changed.")
    diff = _Member("diff", str, "The change as text, at most 1 MiB of it.")
    diff_truncated = _Member("diff_truncated", bool, "Whether the end of the diff is missing.")


class PromptRequest(_OfTask):
    """A part of a prompt is asked for. The agent will work in :attr:`worktree`."""

    feedback = _Perhaps("feedback", dict, "What failed in the attempt before: ``failure_type``, ``message`` and others.")


class HookRequest(_Code):
    """A hook is to run, in :attr:`worktree`. Those of the end of a convoy have no task."""

    on = _Member("on", str, '``"pre_task"``, ``"post_task"`` or ``"post_convoy"``.')
    task = _Perhaps("task", str, "The id of the task.")
    prompt = _Perhaps("prompt", str, "What the task is.")
    agent = _Perhaps("agent", str, "The role that makes the attempt.")
    attempt_no = _Perhaps("attempt_no", int, "The number of the attempt, from 1.")
    timeout = _Perhaps("timeout_ms", _seconds, "The longest it may take, in seconds: the ``gate_timeout`` of the task.")
