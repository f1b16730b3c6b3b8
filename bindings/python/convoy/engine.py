"""The engine."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import weakref
from ctypes import byref, c_int32, sizeof
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Type, Union

from . import _lifetime
from ._host import FUNCTIONS, Host, cancel
from ._library import AgentAdapter, MergeQueue, ReviewRunner, call, call_new, call_text, lib
from ._loop import Loop
from .errors import Closed
from .protocols import Adapter, Landing, Reviewer
from .run import Event, Run

__all__ = ["Engine", "Spec", "check"]

#: A convoy file: its text in YAML or JSON, or what the JSON would hold.
Spec = Union[str, Mapping[str, Any]]
#: A convoy: its id, or a run of it.
Convoy = Union[str, Run]
Json = Dict[str, Any]

#: Stored events that are fetched at once.
_PAGE = 1000


def check(spec: Spec) -> Json:
    """Checks a convoy file without running anything.

    Gives ``{"ok": bool, "problems": [...]}``; each problem has ``severity`` (``"error"`` or ``"warning"``), ``line``,
    ``column``, ``path``, ``message`` and perhaps ``hint``.
    """
    return _json("convoy_check_spec", _spec(spec))  # type: ignore[no-any-return]


class Engine:
    """Runs convoys on the git repository that ``repo`` is in. Every method may be called from any thread.

    ``adapters`` are agents that are code of this program, by the name that tasks give as ``adapter:``: objects with a
    method ``execute(request)``, plain (it runs on a thread of its own) or ``async`` (it runs on ``loop``). ``loop`` is
    the event loop that runs where the engine is made, if there is one; else the engine has one on a thread of its own.
    ``reviewer`` and ``merge_queue`` take the place of the reviewing agent and the git merge queue.

    ``env`` is the whole environment of agents, gates and git; ``None`` stands for ``PATH`` and ``HOME`` of this process.
    ``state_dir`` is where database, logs and worktrees are kept (else ``.convoy`` beside the main worktree),
    ``secrets`` what must never be stored or shown, ``actor`` who acts, for the record, ``grace`` the seconds between
    asking a program to end and killing it, ``git`` the git program, ``store`` ``"sqlite"`` or ``"memory"``; without
    ``create`` it fails with :class:`NotFound` where nothing is stored yet.

    Use it as a context manager (``with``; ``async with`` in coroutines), or call :meth:`shutdown`. Otherwise it is shut
    down when nobody refers to it any more, and at the end of the interpreter.
    """

    def __init__(
        self,
        repo: Union[str, "os.PathLike[str]"],
        adapters: Optional[Mapping[str, Adapter]] = None,
        *,
        reviewer: Optional[Reviewer] = None,
        merge_queue: Optional[Landing] = None,
        env: Optional[Mapping[str, str]] = None,
        state_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
        secrets: Iterable[str] = (),
        actor: Optional[str] = None,
        grace: Optional[float] = None,
        git: Optional[str] = None,
        store: Optional[str] = None,
        create: Optional[bool] = None,
        loop: Optional[asyncio.AbstractEventLoop] = None,
    ) -> None:
        if env is None:
            env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        options = {
            "env": dict(env),
            "state_dir": None if state_dir is None else os.fspath(state_dir),
            "secrets": list(secrets),
            "actor": actor,
            "grace_ms": None if grace is None else round(grace * 1000),
            "git": git,
            "store": store,
            "create": create,
        }
        self._loop = Loop(loop or asyncio._get_running_loop())
        self._runs: List[Run] = []
        this = weakref.ref(self)
        self._host = Host(self._loop, lambda reason: _interrupt_runs(this(), reason))
        _lifetime.start_reaper()
        builder = call_new("convoy_engine_builder_new", os.fspath(repo))
        try:
            call("convoy_engine_builder_set_options", builder, _options(**options))
            for name, adapter in (adapters or {}).items():
                self._add_adapter(builder, name, adapter)
            if reviewer is not None:
                self._set_reviewer(builder, reviewer)
            if merge_queue is not None:
                self._set_merge_queue(builder, merge_queue)
            handle = call_new("convoy_engine_build", builder)
        finally:
            lib.convoy_engine_builder_free(builder)
        self._open = _lifetime.Open(handle, self._loop.stop)
        weakref.finalize(self, _lifetime.drop, self._open).atexit = False

    def _add_adapter(self, builder: int, name: str, adapter: Adapter) -> None:
        _must_have(f"the adapter {name!r}", adapter, "execute")
        self._host.adapters[name] = adapter
        can = {what: True for what in getattr(adapter, "capabilities", ())}
        description = _options(name=name, account=getattr(adapter, "account", None), capabilities=can)
        table = AgentAdapter(
            struct_size=sizeof(AgentAdapter), user_data=self._host.key, execute=FUNCTIONS["execute"], cancel=cancel
        )
        call("convoy_engine_builder_add_adapter", builder, description, byref(table))

    def _set_reviewer(self, builder: int, reviewer: Reviewer) -> None:
        _must_have("the reviewer", reviewer, "review")
        self._host.reviewer = reviewer
        name = getattr(reviewer, "name", None) or type(reviewer).__name__.lower()
        description = _options(name=name, model=getattr(reviewer, "model", None))
        table = ReviewRunner(
            struct_size=sizeof(ReviewRunner), user_data=self._host.key, review=FUNCTIONS["review"], cancel=cancel
        )
        call("convoy_engine_builder_set_review_runner", builder, description, byref(table))

    def _set_merge_queue(self, builder: int, merge_queue: Landing) -> None:
        steps = ("prepare", "advance", "settle")
        _must_have("the merge queue", merge_queue, *steps)
        self._host.merge_queue = merge_queue
        functions = {step: FUNCTIONS[step] for step in steps}
        table = MergeQueue(struct_size=sizeof(MergeQueue), user_data=self._host.key, cancel=cancel, **functions)
        call("convoy_engine_builder_set_merge_queue", builder, byref(table))

    @property
    def closed(self) -> bool:
        """Whether it is shut down."""
        return self._open.closed

    def shutdown(self) -> None:
        """Interrupts every run (they can be resumed), waits until they have ended, and closes the engine.

        Waits for as long as agents take to end. In a coroutine: ``await asyncio.to_thread(engine.shutdown)``, or
        ``async with``; on the loop that its adapters need it refuses with a ``RuntimeError``. Runs can still be read to
        their end. Shutting down twice does nothing.
        """
        if self._loop.here and not self._open.closed:
            raise RuntimeError(
                "shutdown() would wait for agents on the event loop that they run on: "
                "use `async with`, or `await asyncio.to_thread(engine.shutdown)`"
            )
        self._open.close()

    def __enter__(self) -> "Engine":
        if self._loop.here:
            raise RuntimeError("use `async with` for an engine whose event loop runs on this thread")
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> "Engine":
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        # Whoever is cancelled here still waits: otherwise the loop would end before its adapters.
        closing = asyncio.ensure_future(asyncio.to_thread(self._open.close))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise

    def check(self, spec: Spec) -> Json:
        """As :func:`convoy.check`."""
        return check(spec)

    def plan(
        self,
        spec: Spec,
        *,
        concurrency: Union[int, str, None] = None,
        adapter: Optional[str] = None,
        branch: Optional[str] = None,
        max_injected: Optional[int] = None,
        inject_file: Optional[bool] = None,
    ) -> Json:
        """What :meth:`start` would run, without starting or storing anything."""
        options = _options(
            concurrency=concurrency, adapter=adapter, branch=branch, max_injected=max_injected, inject_file=inject_file
        )
        return self._json("convoy_engine_plan", _spec(spec), options)  # type: ignore[no-any-return]

    def start(
        self,
        spec: Spec,
        *,
        concurrency: Union[int, str, None] = None,
        adapter: Optional[str] = None,
        branch: Optional[str] = None,
        max_injected: Optional[int] = None,
        inject_file: Optional[bool] = None,
    ) -> Run:
        """Records a convoy and starts it. Waits for git and the disk, not for agents.

        ``concurrency`` (a number or ``"auto"``), ``adapter`` and ``branch`` take the place of what the file says;
        ``max_injected`` is how many tasks may be added while it runs, ``inject_file`` whether from a file, too.
        """
        options = _options(
            concurrency=concurrency, adapter=adapter, branch=branch, max_injected=max_injected, inject_file=inject_file
        )
        return self._run("convoy_engine_start", _spec(spec), options)

    def resume(self, convoy: Optional[Convoy] = None) -> Run:
        """Takes up a convoy that was interrupted, crashed or is still to be published; without a name, the newest."""
        return self._run("convoy_engine_resume", None if convoy is None else _id(convoy))

    def retry(self, convoy: Convoy, tasks: Optional[Iterable[str]] = None) -> Run:
        """Takes tasks of a convoy that has ended up again: these, or all that are not done."""
        return self._run("convoy_engine_retry", _id(convoy), None if tasks is None else json.dumps(list(tasks)))

    def publish(self, convoy: Convoy) -> Run:
        """Tries again to publish what a convoy that has ended landed."""
        return self._run("convoy_engine_publish", _id(convoy))

    def _run(self, function: str, *arguments: Any) -> Run:
        run = Run(self, call_new(function, self._handle, *arguments))
        # Runs go on while nobody refers to them; those that have ended need not be kept.
        self._runs = [run, *(other for other in self._runs if not other.done)]
        return run

    @property
    def state_dir(self) -> Path:
        """Where database, logs and worktrees are kept."""
        return Path(self._text("convoy_engine_state_dir"))

    def list(self) -> List[Json]:
        """All convoys of the store, the newest first."""
        return self._json("convoy_engine_list")  # type: ignore[no-any-return]

    def status(self, convoy: Convoy) -> Json:
        """A convoy as it is now, with its tasks."""
        return self._json("convoy_engine_status", _id(convoy))  # type: ignore[no-any-return]

    def is_running(self, convoy: Convoy) -> bool:
        """Whether a live engine, of this process or another, runs it."""
        out = c_int32()
        call("convoy_engine_is_running", self._handle, _id(convoy), byref(out))
        return bool(out.value)

    def events(self, convoy: Convoy, after: int = 0) -> Iterator[Event]:
        """The stored events of a convoy with an ``_event_id`` above ``after``, up to the newest."""
        while True:
            page: List[Event] = self._json("convoy_engine_events", _id(convoy), after, _PAGE)
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1]["_event_id"]

    def dead_letters(self, convoy: Convoy) -> "List[Json]":
        """The tasks that were given up, in the order in which that was."""
        return self._json("convoy_engine_dead_letters", _id(convoy))  # type: ignore[no-any-return]

    def disputes(self, convoy: Convoy) -> "List[Json]":
        """Work that reviewers block again and again, in the order in which that was."""
        return self._json("convoy_engine_disputes", _id(convoy))  # type: ignore[no-any-return]

    def attempt(self, convoy: Convoy, task: str, attempt: int = 0) -> Json:
        """Everything about one attempt at a task: prompt, log, changes, judgement. 0 is the newest."""
        return self._json("convoy_engine_attempt", _id(convoy), task, attempt)  # type: ignore[no-any-return]

    def log_path(self, convoy: Convoy, task: str, attempt: int = 0) -> Path:
        """The log file of an attempt. 0 is the newest."""
        return Path(self._text("convoy_engine_log_path", _id(convoy), task, attempt))

    def artifact(self, convoy: Convoy, task: str, name: str) -> bytes:
        """What an artifact of a task holds, free of secrets."""
        return call_text("convoy_engine_artifact", self._handle, _id(convoy), task, name)[1]

    def pause(self, convoy: Convoy) -> None:
        """Asks whoever runs a convoy, in this process or another, to pause it."""
        call("convoy_engine_pause", self._handle, _id(convoy))

    def unpause(self, convoy: Convoy) -> None:
        """Ends a pause."""
        call("convoy_engine_unpause", self._handle, _id(convoy))

    def cancel(self, convoy: Convoy) -> None:
        """Ends a convoy for good, also one that nobody runs."""
        call("convoy_engine_cancel", self._handle, _id(convoy))

    def approve(self, convoy: Convoy, task: str, *, tree: Optional[str] = None, reason: Optional[str] = None) -> None:
        """Lets a task that waits for approval go on. ``tree`` is what the person has seen; no other is approved."""
        call("convoy_engine_approve", self._handle, _id(convoy), task, tree, reason)

    def reject(self, convoy: Convoy, task: str, *, reason: Optional[str] = None) -> None:
        """Refuses a task that waits for approval: it fails."""
        call("convoy_engine_reject", self._handle, _id(convoy), task, reason)

    def skip(self, convoy: Convoy, task: str, *, reason: Optional[str] = None) -> None:
        """Skips a task that is not finished, and what depends on it."""
        call("convoy_engine_skip", self._handle, _id(convoy), task, reason)

    def accept(self, convoy: Convoy, task: str, revision: str, *, reason: Optional[str] = None) -> None:
        """Takes a person's commit as the work of a task; it is checked and landed like an agent's."""
        call("convoy_engine_accept", self._handle, _id(convoy), task, revision, reason)

    def inject(self, convoy: Convoy, tasks: Spec, *, source: str = "host", key: Optional[str] = None) -> str:
        """Asks whoever runs a convoy to add tasks (the text of an ``inject.yml``). Gives the key of the request."""
        return self._text("convoy_engine_inject", _id(convoy), _spec(tasks), source, key)

    def resolve_dead_letter(self, convoy: Convoy, dlq_id: str, resolution: str) -> None:
        """Closes a dead letter without trying its task again; ``resolution`` says why or how."""
        call("convoy_engine_resolve_dead_letter", self._handle, _id(convoy), dlq_id, resolution)

    def resolve_dispute(self, convoy: Convoy, dispute_id: str, resolution: str) -> None:
        """Closes a dispute. The task stays disputed until it is retried."""
        call("convoy_engine_resolve_dispute", self._handle, _id(convoy), dispute_id, resolution)

    @property
    def _handle(self) -> int:
        if self._open.closed and not self._open.foreign:
            raise Closed(110, "CONVOY_CLOSED", "the engine is shut down")
        return self._open.handle

    def _json(self, function: str, *arguments: Any) -> Any:
        return _json(function, self._handle, *arguments)

    def _text(self, function: str, *arguments: Any) -> str:
        return call_text(function, self._handle, *arguments)[1].decode()


def _interrupt_runs(engine: Optional[Engine], reason: str) -> None:
    for run in engine._runs if engine is not None else ():
        run.interrupt(reason)


def _json(function: str, *arguments: Any) -> Any:
    return json.loads(call_text(function, *arguments)[1])


def _options(**options: Any) -> str:
    return json.dumps({name: value for name, value in options.items() if value is not None})


def _spec(spec: Spec) -> str:
    if isinstance(spec, str):
        return spec
    if isinstance(spec, Mapping):
        return json.dumps(spec)
    raise TypeError(f"a convoy file is a text or a mapping, not {type(spec).__name__}")


def _id(convoy: Convoy) -> str:
    if isinstance(convoy, Run):
        return convoy.id
    if isinstance(convoy, str):
        return convoy
    raise TypeError(f"a convoy is given as its id or a run of it, not {type(convoy).__name__}")


def _must_have(what: str, code: object, *functions: str) -> None:
    for function in functions:
        if not callable(getattr(code, function, None)) or inspect.isclass(code):
            raise TypeError(f"{what} is an object with a method {function}(request), not {code!r}")
