"""Code of the host, called by the engine.

The library calls the functions at the end of this file on threads of its own. They find out who is meant, start the
work elsewhere (a coroutine on the loop, anything else on a thread) and return.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import threading
import traceback
import weakref
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Type

from . import _lifetime
from ._library import BEGIN, CANCEL, call, read
from ._loop import HostTask, Loop, working
from .errors import AgentFailed, Error
from .requests import (
    AdvanceRequest,
    AgentRequest,
    GateRequest,
    HookRequest,
    PrepareRequest,
    PromptRequest,
    Request,
    ReviewRequest,
    SettleRequest,
    _Late,
)

Answer = Mapping[str, Any]

CANCELLED: Answer = {"outcome": "cancelled"}


def describe(error: BaseException) -> str:
    """Type and message of an exception and of its causes."""
    parts: List[str] = []
    current: Optional[BaseException] = error
    while current is not None and len(parts) < 8:
        text = str(current)
        parts.append(f"{type(current).__name__}: {text}" if text else type(current).__name__)
        hidden = None if current.__suppress_context__ else current.__context__
        current = current.__cause__ or hidden
    return ", caused by ".join(parts)


def agent_answer(value: Any) -> Answer:
    """What an adapter returned, as an answer."""
    if value is None:
        return {"outcome": "succeeded"}
    if isinstance(value, str):
        return {"outcome": "succeeded", "result_text": value}
    if isinstance(value, Mapping):
        return value
    raise TypeError(f"an adapter returns None, a text or a mapping, not {type(value).__name__}")


def review_answer(value: Any) -> Answer:
    """What a reviewer returned, as an answer."""
    if isinstance(value, str):
        return {"verdict": value}
    if isinstance(value, tuple) and len(value) == 2:
        return {"verdict": value[0], "text": value[1]}
    if isinstance(value, Mapping):
        return value
    raise TypeError(f"a reviewer returns a verdict, (verdict, text) or a mapping, not {type(value).__name__}")


def landing_answer(value: Any) -> Answer:
    """What a merge queue returned, as an answer."""
    if isinstance(value, Mapping):
        return value
    raise TypeError(f"a merge queue returns a mapping, not {type(value).__name__}")


def verdict_answer(value: Any) -> Answer:
    """What a gate or a hook returned, as an answer."""
    if value is None or value is True:
        return {"outcome": "pass"}
    if value is False:
        return {"outcome": "fail", "reason": "it answered no"}
    if isinstance(value, str):
        return {"outcome": "fail", "reason": value}
    if isinstance(value, Mapping):
        return value
    raise TypeError(f"a gate or hook returns None, a bool, a reason or a mapping, not {type(value).__name__}")


def part_answer(value: Any) -> Answer:
    """What a prompt source returned, as an answer."""
    if value is None:
        return {"part": "nothing"}
    if isinstance(value, str):
        return {"part": "instructions", "text": value}
    if isinstance(value, tuple) and len(value) == 2:
        return {"part": value[0], "text": value[1]}
    if isinstance(value, Mapping):
        return value
    raise TypeError(f"a prompt source returns None, a text, (part, text) or a mapping, not {type(value).__name__}")


#: Steps that are taken to their end: an answer is awaited for as long as it takes.
_LANDING = ("prepare", "advance", "settle")

#: The kinds of questions: the class of the request, and what makes an answer of what the host returns.
_KINDS: Dict[str, Tuple[Type[Request], Callable[[Any], Answer]]] = {
    "execute": (AgentRequest, agent_answer),
    "review": (ReviewRequest, review_answer),
    "prepare": (PrepareRequest, landing_answer),
    "advance": (AdvanceRequest, landing_answer),
    "settle": (SettleRequest, landing_answer),
    "gate": (GateRequest, verdict_answer),
    "prompt": (PromptRequest, part_answer),
    "hook": (HookRequest, verdict_answer),
}


class Host:
    """What one engine may ask."""

    def __init__(self, loop: Loop, gone: Callable[[str], None]) -> None:
        self.loop = loop
        #: Called when code can no longer run, so that runs end instead of failing.
        self.gone = gone
        self.adapters: Dict[str, Any] = {}
        self.reviewer: Any = None
        self.merge_queue: Any = None
        #: Gates, prompt sources and hooks, by kind and name.
        self.code: Dict[Tuple[str, str], Callable[[Any], Any]] = {}
        #: Gets what the engine tells of itself.
        self.log: Optional[Callable[[Dict[str, Any]], object]] = None
        self.key = next(_keys)
        _hosts[self.key] = self

    @property
    def has_coroutines(self) -> bool:
        """Whether any of the code needs the loop."""
        landing = (getattr(self.merge_queue, step, None) for step in _LANDING)
        code = (*(adapter.execute for adapter in self.adapters.values()), *self.code.values())
        code = (*code, getattr(self.reviewer, "review", None), *landing)
        return any(inspect.iscoroutinefunction(function) for function in code)

    def function(self, kind: str, raw: Dict[str, Any]) -> Callable[[Any], Any]:
        """The code for a question."""
        if kind == "execute":
            code = self.adapters[raw["adapter"]].execute
        elif (kind, raw.get("name")) in self.code:
            code = self.code[kind, raw["name"]]
        else:
            code = getattr(self.reviewer if kind == "review" else self.merge_queue, kind)
        return code  # type: ignore[no-any-return]


class Call:
    """A question that is not yet answered."""

    def __init__(self, host: Host, kind: str, raw: Dict[str, Any], ident: int) -> None:
        request, self._convert = _KINDS[kind]
        self.request = request(raw, ident)
        self._kind = kind
        self._ident = ident
        self._loop = host.loop
        self._gone = host.gone
        self._on_loop = False
        self._task: Optional[HostTask] = None
        self._task_cancelled = False
        _calls[ident] = self

    @property
    def lands(self) -> bool:
        """Whether it is a step of landing."""
        return self._kind in _LANDING

    def start(self, function: Callable[[Any], Any]) -> None:
        """Begins the work elsewhere."""
        if self.lands and _landing_is_over:
            self._reject(_ENDED)
            return
        try:
            if inspect.iscoroutinefunction(function):
                self._hand_over(function)
            else:
                name = f"convoy-{self._kind}-{self._ident}"
                threading.Thread(target=self._work, args=(function,), name=name, daemon=True).start()
        except RuntimeError as error:  # No loop, or no thread any more.
            self._host_gone(str(error))

    def give_up(self) -> None:
        """A step of landing is no longer waited for."""
        self._reject(_ENDED)

    def cancel(self) -> None:
        """The engine asks for the end."""
        self.request._cancel()
        if self._on_loop:
            try:
                self._loop.hand_over(self._cancel_task)
            except RuntimeError:
                self._stopped()
            else:
                if not self._loop.runs:
                    self._stopped()

    def _work(self, function: Callable[[Any], Any]) -> None:
        """On a thread."""
        raw = self.request.raw
        # The id of whoever works begins with that of its convoy.
        working.convoy = raw.get("convoy_id") or raw.get("worker_id", "").split(".")[0]
        try:
            result = function(self.request)
            if not inspect.isawaitable(result):
                self._returned(result)
                return
        except BaseException as error:  # noqa: B902 - whatever it is, the engine waits for an answer
            self._raised(error)
            return
        try:
            self._hand_over(lambda _request: result)
        except RuntimeError as error:
            if inspect.iscoroutine(result):
                result.close()  # Nobody awaits it any more.
            self._host_gone(str(error))

    def _hand_over(self, function: Callable[[Any], Any]) -> None:
        self._on_loop = True
        self._loop.hand_over(self._spawn, function)

    def _spawn(self, function: Callable[[Any], Any]) -> None:
        """On the loop."""
        if self.request.cancelled:
            self._stopped()
            return
        self._task = HostTask(_await(function, self.request), loop=asyncio.get_running_loop())
        self._task.add_done_callback(self._done)

    def _cancel_task(self) -> None:
        """On the loop. Once: what cleans up is not cancelled again."""
        if self._task is not None and not self._task_cancelled:
            self._task_cancelled = True
            self._task.cancel()

    def _done(self, task: Any) -> None:
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self._returned(task.result())
            else:
                self._raised(error)
        elif self.request.cancelled:
            self._stopped()
        elif task.asked:
            self._host_gone("the event loop of the host ends")
        else:
            self._reject("CancelledError: the code of the host was cancelled from within")

    def _returned(self, value: Any) -> None:
        if self._kind == "execute" and self.request.cancelled and not isinstance(value, Mapping):
            # Whoever was cut off and just returns does not say that the work is whole.
            self._stopped()
            return
        try:
            self._resolve(self._convert(value))
        except Exception as error:
            self._raised(error)

    def _raised(self, error: BaseException) -> None:
        if self.request.cancelled or isinstance(error, _Late):
            self._stopped()
        elif isinstance(error, AgentFailed) and self._kind == "execute":
            self._returned(error.answer)
        else:
            self._log(error)
            self._reject(describe(error))

    def _stopped(self) -> None:
        """It ended because it was asked to."""
        if self._kind == "execute":
            self._resolve(CANCELLED)
        else:
            self._reject("Cancelled")

    def _host_gone(self, reason: str) -> None:
        """The host ends: so do its runs, and what they worked on can be resumed."""
        self._gone(reason)
        if self.lands:
            # The engine takes a step of landing to its end: it never asks for it.
            self._reject(reason)
            return
        # Not before the engine asks for it: one that ends by itself has failed.
        self.request.on_cancel(self._stopped)

    def _log(self, error: BaseException) -> None:
        """Leaves the traceback in the log of the attempt."""
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        data = "".join(lines).encode(errors="replace")
        try:
            call("convoy_completion_output", self._ident, 2, data)
        except Error:
            pass  # Not every kind of code has a log, and where nobody waits nobody reads.

    def _resolve(self, answer: Answer) -> None:
        text = json.dumps(answer)
        _calls.pop(self._ident, None)
        try:
            call("convoy_completion_resolve", self._ident, text)
        except Error as error:
            # Refused: the question is still open. (If nobody waits any more, this does nothing either.)
            failure = answer.get("failure")
            said = failure.get("message") if isinstance(failure, Mapping) else None
            told = f"{said} (its answer is wrong, too: {error})" if isinstance(said, str) else None
            self._reject(told or f"ValueError: the answer {text[:200]} is none: {error}")

    def _reject(self, message: str) -> None:
        _calls.pop(self._ident, None)
        reject(self._ident, message)


async def _await(function: Callable[[Any], Any], request: Request) -> Any:
    return await function(request)


def reject(ident: int, message: str) -> None:
    """Answers that the host failed, if anybody waits."""
    try:
        call("convoy_completion_reject", ident, message.encode(errors="replace"))
    except Error:
        pass


_keys = itertools.count(1)
#: By the number that the library has as user data. The engine of Python keeps its host.
_hosts: "weakref.WeakValueDictionary[int, Host]" = weakref.WeakValueDictionary()
#: By completion id.
_calls: Dict[int, Call] = {}
#: Whether steps of landing are no longer waited for.
_landing_is_over = False
_ENDED = "the interpreter of the host ended"


def _begin(kind: str) -> Any:
    def begin(key: Optional[int], data: Optional[int], length: int, ident: int) -> None:
        _lifetime.enter()
        try:
            host = _hosts.get(key or 0)
            if host is None:
                reject(ident, "the engine is gone")
                return
            raw = json.loads(read(data, length))
            Call(host, kind, raw, ident).start(host.function(kind, raw))
        except BaseException as error:  # noqa: B902 - nothing may reach the library
            _calls.pop(ident, None)
            reject(ident, describe(error))
        finally:
            _lifetime.leave()

    return BEGIN(begin)


def _cancel(_key: Optional[int], ident: int) -> None:
    """Of every kind."""
    _lifetime.enter()
    try:
        question = _calls.get(ident)
        if question is not None:
            question.cancel()
    except BaseException:  # noqa: B902 - nothing may reach the library
        traceback.print_exc()
    finally:
        _lifetime.leave()


def _end_landing() -> None:
    """The interpreter ends, and the code of the host has had its time."""
    global _landing_is_over
    _landing_is_over = True
    for question in list(_calls.values()):
        if question.lands:
            question.give_up()


_lifetime.give_up_landing.append(_end_landing)

# The functions that the library is given; they are never freed.
cancel = CANCEL(_cancel)
FUNCTIONS = {kind: _begin(kind) for kind in _KINDS}
