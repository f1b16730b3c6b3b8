"""What can go wrong.

Every failure of the library is an :class:`Error`. Its subclasses say whose matter it is: :class:`CallError` (the call
was wrong), :class:`EngineError` (an answer of the engine, with a class for each kind) and :class:`LibraryFault` (the
library has a fault). :class:`AgentFailed` and :class:`Cancelled` go the other way: code of the host raises them.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Literal, Optional, Type

__all__ = [
    "AgentError",
    "AgentFailed",
    "Busy",
    "CallError",
    "Cancelled",
    "Closed",
    "EngineError",
    "Error",
    "FailureType",
    "Forked",
    "InvalidArgument",
    "InvalidSpec",
    "LibraryFault",
    "NotFound",
    "NothingToResume",
    "RepositoryError",
    "StateError",
    "StoreError",
    "Unsupported",
]


class Error(Exception):
    """A call of the library failed. Its text is the whole story: the message and those of its causes."""

    #: The number of the status, as in ``convoy.h``.
    status: int
    #: The name of the status, such as ``CONVOY_BUSY``.
    name: str
    #: What went wrong and what to do about it, without the causes.
    message: str
    #: Details for programs; ``None`` where there are none.
    details: Any

    def __init__(self, status: int, name: str, message: str, chain: str = "", details: str = "") -> None:
        super().__init__(chain or message)
        self.status = status
        self.name = name
        self.message = message
        self.details = json.loads(details) if details else None
        self._parts = (status, name, message, chain, details)

    def __reduce__(self) -> Any:
        return type(self), self._parts


class CallError(Error):
    """The call itself was wrong (status 1 to 99)."""


class Forked(CallError):
    """This process is a fork of the one that uses the library. Use it there, or start a new program, with
    ``multiprocessing.get_context("spawn")`` for example.
    """

    def __str__(self) -> str:
        return super().__str__() + '; with multiprocessing: get_context("spawn")'


class EngineError(Error):
    """An answer of the engine (status 100 to 199)."""


class InvalidArgument(EngineError):
    """An argument is wrong."""


class InvalidSpec(EngineError):
    """The convoy file has errors."""

    @property
    def problems(self) -> List[Dict[str, Any]]:
        """All problems, as :func:`convoy.check` lists them."""
        return self.details or []

    def __str__(self) -> str:
        errors = [problem for problem in self.problems if problem["severity"] == "error"]
        if len(errors) < 2:
            return super().__str__()
        lines = (f"line {of['line']}, column {of['column']}: {of['path']}: {of['message']}" for of in errors)
        return f"the convoy file has {len(errors)} errors:\n  " + "\n  ".join(lines)


class Unsupported(EngineError):
    """This version or this platform does not have what was asked for."""


class RepositoryError(EngineError):
    """The repository cannot be used as it is."""


class NotFound(EngineError):
    """No such convoy, task, attempt or artifact."""


class NothingToResume(EngineError):
    """Nothing is unfinished."""


class Busy(EngineError):
    """Another engine runs the convoy."""


class StateError(EngineError):
    """The convoy is not in a state where this is possible."""


class AgentError(EngineError):
    """No agent program can be used."""


class StoreError(EngineError):
    """The store failed: disk full, no permission, damaged, or of another program."""


class Closed(EngineError):
    """The engine is shut down."""


class LibraryFault(Error):
    """The library has a fault (status 900 to 999). The engine cannot be used further; the process can."""


_KINDS: Dict[int, Type[Error]] = {
    7: Forked,
    100: InvalidArgument,
    101: InvalidSpec,
    102: Unsupported,
    103: RepositoryError,
    104: NotFound,
    105: NothingToResume,
    106: Busy,
    107: StateError,
    108: AgentError,
    109: StoreError,
    110: Closed,
}


def class_of(status: int) -> Type[Error]:
    """The class for a status, also for one that this version does not know."""
    families = {0: CallError, 1: EngineError, 9: LibraryFault}
    return _KINDS.get(status) or families.get(status // 100, Error)


#: The types of failures that an agent gives. Others are the engine's, and refused.
FailureType = Literal[
    "error",
    "refused",
    "turn-limit",
    "needs-input",
    "idle",
    "timeout",
    "rate-limit",
    "not-installed",
    "auth",
    "contract",
]


class AgentFailed(Exception):
    """Raised by an adapter: the agent failed, and this is known of it.

    ``failure_type`` is one of :data:`FailureType` (the README tells what follows from each),
    ``retry_at`` an RFC 3339 time, ``session`` one that can be
    continued, ``usage`` what was used up, as in an answer. Any other exception is a failure of the type ``"error"``.
    """

    def __init__(
        self,
        message: str,
        failure_type: FailureType = "error",
        *,
        output_tail: Optional[str] = None,
        retry_at: Optional[str] = None,
        exit_code: Optional[int] = None,
        session: Optional[str] = None,
        usage: Optional[Dict[str, Any]] = None,
    ) -> None:
        super().__init__(message)
        failure = {"message": message, "failure_type": failure_type, "output_tail": output_tail, "retry_at": retry_at}
        rest = {"exit_code": exit_code, "session": session, "usage": usage}
        #: The answer that the engine is given.
        self.answer: Dict[str, Any] = {
            "outcome": "failed",
            "failure": {name: value for name, value in failure.items() if value is not None},
            **{name: value for name, value in rest.items() if value is not None},
        }


class Cancelled(Exception):
    """The engine no longer wants the answer. Let it through: the attempt then counts as cancelled."""
