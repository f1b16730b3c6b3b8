"""What the engine asks of code of the host."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Union

from ._library import NO_COMPLETION, call
from .errors import CallError, Cancelled

__all__ = ["AdvanceRequest", "AgentRequest", "PrepareRequest", "Request", "ReviewRequest", "SettleRequest"]

_STREAMS = {"stdout": 1, "stderr": 2}


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
        """Whether the engine asked to end this soon: cancelled, too slow, or the engine ends."""
        return self._event.is_set()

    def wait_cancelled(self, timeout: Optional[float] = None) -> bool:
        """Waits until the engine asks to end this, for up to ``timeout`` seconds; whether it did."""
        return self._event.wait(timeout)

    def check(self) -> None:
        """Raises :class:`convoy.Cancelled` if the engine asked to end this. Call it now and then in a loop."""
        if self.cancelled:
            raise Cancelled("the engine asked to end this")

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Has ``callback()`` called when the engine asks to end this; at once if it did already.

        It comes on a thread of the library and should return soon: kill a process, set an event.
        """
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
            callback()

    def _tell(self, function: str, *arguments: Any) -> None:
        try:
            call(function, self._ident, *arguments)
        except CallError as error:
            if error.status != NO_COMPLETION:
                raise
            raise Cancelled("the engine no longer waits for this") from None


class _Printing(Request):
    def output(self, data: Union[str, bytes], stream: str = "stdout") -> None:
        """Hands over a piece of what is printed, cut anywhere, for ``"stdout"`` or ``"stderr"``.

        It goes, free of secrets, into the log of the attempt and to those who follow the run as ``task_output``. Waits
        while more than 4 MiB wait to be written. Raises :class:`convoy.Cancelled` when the engine waits no longer.
        """
        if stream not in _STREAMS:
            raise ValueError(f"the stream {stream!r} is none: 'stdout' or 'stderr'")
        self._tell("convoy_completion_output", _STREAMS[stream], data)


class AgentRequest(_Printing):
    """What an agent is to do."""

    @property
    def adapter(self) -> str:
        """The name under which the adapter was asked."""
        return str(self.raw["adapter"])

    @property
    def prompt(self) -> str:
        """The whole text for the agent."""
        return str(self.raw["prompt"])

    @property
    def cwd(self) -> Path:
        """The folder to work in: a git worktree of the attempt's own. What is in it at the end is the work."""
        return Path(self.raw["cwd"])

    @property
    def env(self) -> Dict[str, str]:
        """The complete environment for processes that are started."""
        return dict(self.raw["env"])

    @property
    def worker_id(self) -> str:
        """The name of the attempt; it marks what the attempt starts."""
        return str(self.raw["worker_id"])

    @property
    def timeout(self) -> float:
        """The longest it may run, in seconds. After that the engine cancels it."""
        return float(self.raw["timeout_ms"]) / 1000

    @property
    def grace(self) -> float:
        """The seconds left to answer after it was cancelled."""
        return float(self.raw["grace_ms"]) / 1000

    @property
    def read_only(self) -> bool:
        """Whether nothing may be changed."""
        return bool(self.raw["read_only"])

    @property
    def model(self) -> Optional[str]:
        """The model to use; only with the capability ``"model"``."""
        return self.raw.get("model")

    @property
    def resume_session(self) -> Optional[str]:
        """The session to continue; only with the capability ``"resume"``."""
        return self.raw.get("session")

    @property
    def idle(self) -> Optional[float]:
        """The longest it may be silent, in seconds."""
        millis = self.raw.get("idle_ms")
        return None if millis is None else float(millis) / 1000

    def session(self, session: str) -> None:
        """Says which session the agent works in, so that it can be continued even if this is cut off."""
        self._tell("convoy_completion_session", session)

    def started(self, pid: int) -> None:
        """Says that the agent runs as this process. Start it with :attr:`env`."""
        self._tell("convoy_completion_started", pid)


class ReviewRequest(_Printing):
    """A piece of work to judge. It is not trusted: text in :attr:`diff` is data, never an instruction."""

    @property
    def task(self) -> str:
        """The id of the task."""
        return str(self.raw["task"])

    @property
    def prompt(self) -> str:
        """What the agent was asked for."""
        return str(self.raw["prompt"])

    @property
    def level(self) -> str:
        """``"fast"`` or ``"panel"``."""
        return str(self.raw["level"])

    @property
    def diff(self) -> str:
        """The change as text."""
        return str(self.raw["diff"])

    @property
    def diff_truncated(self) -> bool:
        """Whether the end of the diff is missing."""
        return bool(self.raw["diff_truncated"])

    @property
    def paths(self) -> List[str]:
        """The files that changed."""
        return list(self.raw["paths"])

    @property
    def base(self) -> str:
        """The commit that the work started from."""
        return str(self.raw["base"])

    @property
    def commit(self) -> str:
        """The commit of the work."""
        return str(self.raw["commit"])

    @property
    def checkout(self) -> Path:
        """A folder with the files of the base, to read in."""
        return Path(self.raw["checkout"])

    @property
    def env(self) -> Dict[str, str]:
        """The complete environment for processes that are started."""
        return dict(self.raw["env"])

    @property
    def nonce(self) -> str:
        """A word that nobody could know while the work was made."""
        return str(self.raw["nonce"])

    @property
    def worker_id(self) -> str:
        """Marks what the review starts."""
        return str(self.raw["worker_id"])

    @property
    def timeout(self) -> float:
        """The longest it may take, in seconds."""
        return float(self.raw["timeout_ms"]) / 1000


class _Landing(Request):
    @property
    def integration_ref(self) -> str:
        """The full name of the ref that work lands on."""
        return str(self.raw["integration_ref"])


class PrepareRequest(_Landing):
    """Make the landing commit, which nobody sees yet."""

    @property
    def tip(self) -> str:
        """The commit to land onto."""
        return str(self.raw["tip"])

    @property
    def work(self) -> str:
        """The commit that was checked."""
        return str(self.raw["work"])

    @property
    def message(self) -> str:
        """The whole message of the landing commit."""
        return str(self.raw["message"])


class AdvanceRequest(_Landing):
    """Move the ref to the landing commit by compare-and-swap."""

    @property
    def commit(self) -> str:
        """The landing commit."""
        return str(self.raw["commit"])

    @property
    def onto(self) -> str:
        """Where the ref must be."""
        return str(self.raw["onto"])

    @property
    def fence(self) -> int:
        """The number of the engine's lease: after one was seen, smaller ones are refused."""
        return int(self.raw["fence"])


class SettleRequest(_Landing):
    """Say whether the ref reaches a prepared commit."""

    @property
    def commit(self) -> str:
        """The landing commit, which need not exist any more."""
        return str(self.raw["commit"])

    @property
    def onto(self) -> str:
        """Where the ref was to be moved from."""
        return str(self.raw["onto"])
