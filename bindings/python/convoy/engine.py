"""The engine."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import threading
import weakref
from ctypes import byref, c_int32, c_uint64, sizeof
from pathlib import Path
from types import TracebackType
from typing import (
    AbstractSet,
    Any,
    Callable,
    Dict,
    Iterable,
    Iterator,
    List,
    Literal,
    Mapping,
    Optional,
    Tuple,
    Type,
    Union,
)

from . import _arguments, _lifetime, _log
from ._host import FUNCTIONS, Host, cancel
from ._library import OK, AgentAdapter, HostCode, MergeQueue, ReviewRunner, call, call_new, call_text, lib
from ._loop import Loop, in_daemon
from .errors import Closed
from .protocols import Adapter, Gate, Hook, Landing, PromptSource, Reviewer
from .run import Event, Run

__all__ = ["Engine", "Spec", "check", "check_formula"]

#: A convoy file: its text in YAML or JSON, or what the JSON would hold.
Spec = Union[str, Mapping[str, Any]]
#: A convoy: its id, or a run of it.
Convoy = Union[str, Run]
Json = Dict[str, Any]

#: In the order of their numbers, from 1.
_LEVELS = ("error", "warn", "info", "debug", "trace")
#: Stored events that are fetched at once.
_PAGE = 1000


def check(spec: Spec) -> Json:
    """Checks a convoy file without running anything.

    Gives ``{"ok": bool, "problems": [...]}``; each problem has ``severity`` (``"error"`` or ``"warning"``), ``line``,
    ``column``, ``path``, ``message`` and perhaps ``hint``.
    """
    return _json("convoy_check_spec", _spec(spec))  # type: ignore[no-any-return]


def check_formula(formula: Spec, values: Optional[Mapping[str, str]] = None) -> Json:
    """Fills in a formula, a template of a convoy file, and checks what comes of it.

    Gives what :func:`check` gives, and ``"spec"``: the text of the convoy file, to be started, or ``None``.
    """
    return _json(  # type: ignore[no-any-return]
        "convoy_check_formula", _spec(formula), None if values is None else json.dumps(dict(values))
    )


class Engine:
    """Runs convoys on the git repository that ``repo`` is in. Every method may be called from any thread.

    ``adapters`` are agents that are code of this program, by the name that tasks give as ``adapter:``: objects with a
    method ``execute(request)``, plain (it runs on a thread of its own) or ``async`` (it runs on ``loop``). ``loop`` is
    the event loop that runs where the engine is made, if there is one; else the engine has one on a thread of its own.
    ``reviewer`` and ``merge_queue`` take the place of the reviewing agent and the git merge queue.

    ``gates``, ``prompts`` and ``hooks`` are functions by the names that convoy files give (``host_gates``, ``host_prompts``,
    hooks of ``type: host``): plain or ``async``, called with a request.

    ``log`` gets what the engine tells of itself, from ``log_level`` (``"error"``, ``"warn"``, ``"info"``, ``"debug"`` or
    ``"trace"``) up: ``True`` stands for the logger ``convoy`` of :mod:`logging`, a function is called with a mapping
    (``"level"``, ``"message"``, ``"target"``, perhaps ``"convoy"``, ``"task"``, ``"attempt"``, ``"event"``, ``"span"``), one record
    after the other, on a thread of its own. What it raises is printed; records that a slow one misses are counted in one that
    has ``"lost"``. No secret is in it.

    ``adapter_limits`` says by the name of an adapter how much of it is used at once, over all convoys of this engine:
    ``{"claude": {"max_concurrent": 2, "stagger_ms": 500}}``; ``profile_limits`` the same also for adapters that convoy files
    define.

    ``env`` is the whole environment of agents, gates and git; ``None`` stands for ``PATH`` and ``HOME`` of this process.
    ``state_dir`` is where database, logs and worktrees are kept (else ``.convoy`` beside the main worktree),
    ``secrets`` texts that must never be stored or shown (4 bytes or more each), ``actor`` who acts, for the record,
    ``grace`` the seconds between asking a program to end and killing it, ``git`` the git program,
    ``git_backend`` who does git's work (``"auto"``: this process, where it is certain to do as git would; ``"reference"``: the
    git program; the results are the same), ``store`` ``"sqlite"`` or ``"memory"`` (the record is not kept when the engine is closed; the
    refs and logs of its convoys stay, and only :meth:`prune` of the engine itself, before that, deletes them).

    Convoys that ended more than ``keep_for`` seconds ago, or before ``keep_convoys`` others, are pruned when the engine is made
    and whenever one of its convoys has ended, as :meth:`prune` does it by age; while all logs have more than ``logs_quota``
    bytes, those of ended convoys are removed, the oldest first. The log tells of it. Else everything is kept. With ``create=False``, for programs that only
    look, it fails with :class:`NotFound` where no convoy was ever started.

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
        gates: Optional[Mapping[str, Gate]] = None,
        prompts: Optional[Mapping[str, PromptSource]] = None,
        hooks: Optional[Mapping[str, Hook]] = None,
        adapter_limits: Optional[Mapping[str, Mapping[str, int]]] = None,
        profile_limits: Optional[Mapping[str, Mapping[str, int]]] = None,
        log: Union[bool, Callable[[Json], object]] = False,
        log_level: str = "info",
        env: Optional[Mapping[str, str]] = None,
        state_dir: Optional[Union[str, "os.PathLike[str]"]] = None,
        secrets: Union[List[str], Tuple[str, ...], AbstractSet[str]] = (),
        actor: Optional[str] = None,
        grace: Optional[float] = None,
        git: Optional[str] = None,
        git_backend: Optional[Literal["auto", "reference"]] = None,
        store: Optional[Literal["sqlite", "memory"]] = None,
        keep_for: Optional[float] = None,
        keep_convoys: Optional[int] = None,
        logs_quota: Optional[int] = None,
        create: Optional[bool] = None,
        loop: Optional[asyncio.AbstractEventLoop] = None,
    ) -> None:
        if env is None:
            env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        options = {
            "env": _arguments.env(env),
            "state_dir": None if state_dir is None else _arguments.path("state_dir", state_dir),
            "secrets": _arguments.texts("secrets", secrets),
            "actor": _arguments.perhaps_text("actor", actor),
            "grace_ms": None if grace is None else _arguments.millis("grace", grace),
            "git": _arguments.perhaps_text("git", git),
            "git_backend": _arguments.perhaps_text("git_backend", git_backend),
            "store": _arguments.perhaps_text("store", store),
            "keep_for_ms": None if keep_for is None else _arguments.millis("keep_for", keep_for),
            "keep_convoys": None if keep_convoys is None else _arguments.small("keep_convoys", keep_convoys),
            "logs_quota_bytes": None if logs_quota is None else _arguments.number("logs_quota", logs_quota),
            "create": None if create is None else _arguments.flag("create", create),
            "adapter_limits": _limits("adapter_limits", adapter_limits),
            "profile_limits": _limits("profile_limits", profile_limits),
        }
        if git_backend not in (None, "auto", "reference"):
            raise ValueError(f'git_backend is "auto" or "reference", not {git_backend!r}')
        if store not in (None, "sqlite", "memory"):
            raise ValueError(f'store is "sqlite" or "memory", not {store!r}')
        if options["state_dir"] == "":
            raise ValueError("state_dir is empty: name a folder, or leave it away for .convoy beside the main worktree")
        if log_level not in _LEVELS:
            raise ValueError(f"the log_level {log_level!r} is none: {', '.join(_LEVELS)}")
        if adapters is not None and not isinstance(adapters, Mapping):
            raise TypeError(f"adapters is a mapping of names to objects, not {type(adapters).__name__}")
        for what, named in (("gates", gates), ("prompts", prompts), ("hooks", hooks)):
            if named is not None and not isinstance(named, Mapping):
                raise TypeError(f"{what} is a mapping of names to functions, not {type(named).__name__}")
        if loop is not None and not isinstance(loop, asyncio.AbstractEventLoop):
            raise TypeError(f"loop is an event loop, not {type(loop).__name__}")
        self._loop = Loop(loop or asyncio._get_running_loop())
        self._runs: List[Run] = []
        #: Guards the runs and what follows.
        self._lock = threading.Lock()
        #: Calls under way that begin a run.
        self._starting = 0
        #: Why code can no longer run, told while a run began.
        self._gone: Optional[str] = None
        this = weakref.ref(self)
        self._host = Host(self._loop, lambda reason: _interrupt_runs(this(), reason))
        _lifetime.start_reaper()
        builder = call_new("convoy_engine_builder_new", _arguments.path("repo", repo))
        try:
            call("convoy_engine_builder_set_options", builder, _options(**options))
            for name, adapter in (adapters or {}).items():
                self._add_adapter(builder, _arguments.text("the name of an adapter", name), adapter)
            if reviewer is not None:
                self._set_reviewer(builder, reviewer)
            if merge_queue is not None:
                self._set_merge_queue(builder, merge_queue)
            for kind, function, named in (
                ("gate", "convoy_engine_builder_add_gate", gates),
                ("prompt", "convoy_engine_builder_add_prompt_source", prompts),
                ("hook", "convoy_engine_builder_add_hook", hooks),
            ):
                for name, code in (named or {}).items():
                    self._add_code(builder, kind, function, _arguments.text(f"the name of a {kind}", name), code)
            if log:
                self._set_log(builder, log, log_level)
            handle = call_new("convoy_engine_build", builder)
        finally:
            lib.convoy_engine_builder_free(builder)
        self._open = _lifetime.Open(handle, self._loop.stop)
        weakref.finalize(self, _lifetime.drop, self._open).atexit = False

    def _add_adapter(self, builder: int, name: str, adapter: Adapter) -> None:
        _must_have(f"the adapter {name!r}", adapter, "execute")
        self._host.adapters[name] = adapter
        can = {what: True for what in _arguments.texts("capabilities", getattr(adapter, "capabilities", ()))}
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

    def _add_code(self, builder: int, kind: str, function: str, name: str, code: Callable[[Any], Any]) -> None:
        if not callable(code):
            raise TypeError(f"the {kind} {name!r} is a function of a request, not {code!r}")
        self._host.code[kind, name] = code
        table = HostCode(struct_size=sizeof(HostCode), user_data=self._host.key, call=FUNCTIONS[kind], cancel=cancel)
        call(function, builder, name, byref(table))

    def _set_log(self, builder: int, log: Union[bool, Callable[[Json], object]], level: str) -> None:
        if log is not True and not callable(log):
            raise TypeError(f"log is True or a function of a record, not {log!r}")
        self._host.log = _log.to_logging if log is True else log
        _log.register(self._host.key, _finder(self._host))
        number = _LEVELS.index(level) + 1
        call("convoy_engine_builder_set_log", builder, number, _log.log, self._host.key, _log.destroyed)

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
        return self._must_be_open()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.shutdown()

    async def __aenter__(self) -> "Engine":
        return self._must_be_open()

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        # Whoever is cancelled here still waits: otherwise the loop would end before its adapters.
        closing = asyncio.ensure_future(in_daemon(self._open.close))
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
        """What :meth:`start` would run, without starting or storing anything.

        It looks at the file only: whether the adapters and the branch are there, a start finds out.
        """
        options = _run_options(concurrency, adapter, branch, max_injected, inject_file)
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
        a branch that is not there is made from HEAD. ``max_injected`` is how many tasks may be added while it runs,
        ``inject_file`` whether from a file, too.
        """
        options = _run_options(concurrency, adapter, branch, max_injected, inject_file)
        self._must_have_loop()
        return self._run("convoy_engine_start", _spec(spec), options)

    def resume(self, convoy: Optional[Convoy] = None) -> Run:
        """Takes up a convoy that was interrupted, crashed or is still to be published; without a name, the newest.

        The engine must have the adapters that its open tasks need, else this is an :class:`AgentError` and nothing happens.
        """
        self._must_have_loop()
        return self._run("convoy_engine_resume", None if convoy is None else _id(convoy))

    def retry(self, convoy: Convoy, tasks: Optional[Iterable[str]] = None) -> Run:
        """Takes tasks of a convoy that has ended up again: these, or all that are not done."""
        named = None if tasks is None else json.dumps(_arguments.texts("tasks", tasks))
        self._must_have_loop()
        return self._run("convoy_engine_retry", _id(convoy), named)

    def publish(self, convoy: Convoy) -> Run:
        """Tries again to publish what a convoy that has ended landed."""
        return self._run("convoy_engine_publish", _id(convoy))

    def _run(self, function: str, *arguments: Any) -> Run:
        run, gone = None, None
        with self._lock:
            self._starting += 1
        try:
            run = Run(self, call_new(function, self._handle, *arguments))
        finally:
            with self._lock:
                self._starting -= 1
                if run is not None:
                    # Runs go on while nobody refers to them; those that have ended need not be kept.
                    self._runs = [run, *(other for other in self._runs if not other.done)]
                    gone = self._gone
                if self._starting == 0:
                    self._gone = None
        if gone is not None:
            run.interrupt(gone)
        return run

    def _code_is_gone(self, reason: str) -> None:
        """Code can no longer run: neither that of the runs there are, nor that of one which begins just now."""
        with self._lock:
            runs = list(self._runs)
            if self._starting:
                self._gone = reason
        for run in runs:
            run.interrupt(reason)

    def _must_have_loop(self) -> None:
        if self._loop.closed and self._host.has_coroutines:
            raise RuntimeError(
                "the event loop that this engine was made on is closed, and its adapters run there: make an engine "
                "where the new loop runs, or give it one with `loop=`"
            )

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

    def export(self, convoy: Convoy, path: Union[str, "os.PathLike[str]"]) -> int:
        """Writes every recorded event to the new file ``path``, one JSON object a line. Returns their number."""
        out = c_uint64()
        call("convoy_engine_export", self._handle, _id(convoy), _arguments.path("path", path), byref(out))
        return out.value

    def events(self, convoy: Convoy, after: int = 0) -> Iterator[Event]:
        """The stored events of a convoy with an ``_event_id`` above ``after``, up to the newest."""
        while True:
            page: List[Event] = self._json(
                "convoy_engine_events", _id(convoy), _arguments.number("after", after), _PAGE
            )
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1]["_event_id"]

    def prune(
        self,
        convoys: "Union[Convoy, List[Convoy], Tuple[Convoy, ...], None]" = None,
        *,
        older_than: Optional[float] = None,
        all: bool = False,
        unpublished: bool = False,
        dry_run: bool = False,
    ) -> Json:
        """Deletes convoys that have ended: their refs, logs and events, and work that landed nowhere.

        These ``convoys`` (one or a list, of which an empty one means none), those that ended ``older_than`` seconds ago or
        longer, or ``all``. Kept are those that can be resumed, whose landed work is on no branch (unless ``unpublished``), and
        with dead letters or disputes that are open (unless they are named, or ``all``). Gives ``"pruned"`` and ``"kept"``,
        lists of what was done and why not; with ``dry_run`` it is only told.
        """
        if convoys is None or isinstance(convoys, (list, tuple)):
            several = convoys
        else:
            several = [convoys]
        options = _options(
            convoys=None if several is None else [_id(convoy) for convoy in several],
            older_than_ms=None if older_than is None else _arguments.millis("older_than", older_than),
            all=_arguments.flag("all", all),
            unpublished=_arguments.flag("unpublished", unpublished),
            dry_run=_arguments.flag("dry_run", dry_run),
        )
        return self._json("convoy_engine_prune", options)  # type: ignore[no-any-return]

    def last_retention(self) -> Optional[Json]:
        """What was done last to keep to ``keep_for``, ``keep_convoys`` and ``logs_quota``, as :meth:`prune` gives it.

        It has ``"logs_removed"`` where logs were removed. ``None``: nothing is to be kept
        to, nothing was done yet, or it could not be done the last time, which the log says.
        """
        return self._json("convoy_engine_last_retention")  # type: ignore[no-any-return]

    def dead_letters(self, convoy: Convoy) -> "List[Json]":
        """The tasks that were given up, in the order in which that was."""
        return self._json("convoy_engine_dead_letters", _id(convoy))  # type: ignore[no-any-return]

    def disputes(self, convoy: Convoy) -> "List[Json]":
        """Work that reviewers block again and again, in the order in which that was."""
        return self._json("convoy_engine_disputes", _id(convoy))  # type: ignore[no-any-return]

    def attempt(self, convoy: Convoy, task: str, attempt: int = 0) -> Json:
        """Everything about one attempt at a task: prompt, log, changes, judgement. 0 is the newest."""
        return self._json("convoy_engine_attempt", *_task(convoy, task), _attempt(attempt))  # type: ignore[no-any-return]

    def log_path(self, convoy: Convoy, task: str, attempt: int = 0) -> Path:
        """The log file of an attempt. 0 is the newest."""
        return Path(self._text("convoy_engine_log_path", *_task(convoy, task), _attempt(attempt)))

    def artifact(self, convoy: Convoy, task: str, name: str) -> bytes:
        """What an artifact of a task holds, free of secrets."""
        name = _arguments.text("name", name)
        return call_text("convoy_engine_artifact", self._handle, *_task(convoy, task), name)[1]

    def pause(self, convoy: Convoy, *, timeout: Optional[float] = None) -> Optional[str]:
        """Asks whoever runs a convoy, in this process or another, to pause it.

        Gives what became of the request, as the methods below do: ``"granted"`` (it happened, or was so already),
        ``"waits"`` (nobody runs the convoy: the next engine that takes it up decides) or, when it was not decided within
        ``timeout`` seconds, ``None``. A refusal is raised as :class:`StateError`; its message says why.
        """
        return self._ask("convoy_engine_pause", timeout, _id(convoy))

    def unpause(self, convoy: Convoy, *, timeout: Optional[float] = None) -> Optional[str]:
        """Ends a pause."""
        return self._ask("convoy_engine_unpause", timeout, _id(convoy))

    def cancel(self, convoy: Convoy, *, timeout: Optional[float] = None) -> Optional[str]:
        """Ends a convoy for good, also one that nobody runs."""
        return self._ask("convoy_engine_cancel", timeout, _id(convoy))

    def approve(
        self,
        convoy: Convoy,
        task: str,
        *,
        tree: Optional[str] = None,
        reason: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Optional[str]:
        """Lets a task that waits for approval go on. ``tree`` is what the person has seen; no other is approved."""
        return self._ask("convoy_engine_approve", timeout, *_task(convoy, task), _perhaps("tree", tree), _perhaps("reason", reason))

    def reject(
        self, convoy: Convoy, task: str, *, reason: Optional[str] = None, timeout: Optional[float] = None
    ) -> Optional[str]:
        """Refuses a task that waits for approval: it fails."""
        return self._ask("convoy_engine_reject", timeout, *_task(convoy, task), _perhaps("reason", reason))

    def skip(
        self, convoy: Convoy, task: str, *, reason: Optional[str] = None, timeout: Optional[float] = None
    ) -> Optional[str]:
        """Skips a task that is not finished, and what depends on it."""
        return self._ask("convoy_engine_skip", timeout, *_task(convoy, task), _perhaps("reason", reason))

    def accept(
        self, convoy: Convoy, task: str, revision: str, *, reason: Optional[str] = None, timeout: Optional[float] = None
    ) -> Optional[str]:
        """Takes a person's commit as the work of a task; it is checked and landed like an agent's.

        Possible while the task waits and what it depends on is done: for its turn or a retry, for an approval, or for the
        resolution of its conflict. Refused while it is worked on, checked or landed, and once it has ended, a failed one,
        too: when the convoy is over, :meth:`retry` takes such a task up again.
        """
        commit = _arguments.text("revision", revision)
        return self._ask("convoy_engine_accept", timeout, *_task(convoy, task), commit, _perhaps("reason", reason))

    def inject(self, convoy: Convoy, tasks: Spec, *, source: str = "host", key: Optional[str] = None) -> str:
        """Asks whoever runs a convoy to add tasks (the text of an ``inject.yml``). Gives the key of the request."""
        texts = _spec(tasks), _arguments.text("source", source), _perhaps("key", key)
        return self._text("convoy_engine_inject", _id(convoy), *texts)

    def resolve_dead_letter(self, convoy: Convoy, dlq_id: str, resolution: str) -> None:
        """Closes a dead letter without trying its task again; ``resolution`` says why or how."""
        texts = _arguments.text("dlq_id", dlq_id), _arguments.text("resolution", resolution)
        call("convoy_engine_resolve_dead_letter", self._handle, _id(convoy), *texts)

    def resolve_dispute(self, convoy: Convoy, dispute_id: str, resolution: str) -> None:
        """Closes a dispute. The task stays disputed until it is retried."""
        texts = _arguments.text("dispute_id", dispute_id), _arguments.text("resolution", resolution)
        call("convoy_engine_resolve_dispute", self._handle, _id(convoy), *texts)

    @property
    def _handle(self) -> int:
        if self._open.closed and not self._open.foreign:
            raise Closed(110, "CONVOY_CLOSED", "the engine is shut down")
        return self._open.handle

    def _must_be_open(self) -> "Engine":
        if self._open.closed and not self._open.foreign:
            raise Closed(110, "CONVOY_CLOSED", "the engine is shut down")
        return self

    def _ask(self, function: str, timeout: Optional[float], *arguments: Any) -> Optional[str]:
        millis = -1 if timeout is None else _arguments.millis("timeout", timeout)
        status, text = call_text(function, self._handle, *arguments, millis)
        return str(json.loads(text)["answer"]) if status == OK else None

    def _json(self, function: str, *arguments: Any) -> Any:
        return _json(function, self._handle, *arguments)

    def _text(self, function: str, *arguments: Any) -> str:
        return call_text(function, self._handle, *arguments)[1].decode()


def _finder(host: Host) -> _log.Find:
    """Finds the function that gets records, without keeping it."""
    this = weakref.ref(host)
    return lambda: getattr(this(), "log", None)


def _interrupt_runs(engine: Optional[Engine], reason: str) -> None:
    if engine is not None:
        engine._code_is_gone(reason)


def _json(function: str, *arguments: Any) -> Any:
    return json.loads(call_text(function, *arguments)[1])


def _options(**options: Any) -> str:
    return json.dumps({name: value for name, value in options.items() if value is not None})


def _spec(spec: Spec) -> str:
    if isinstance(spec, str):
        if spec.endswith((".yml", ".yaml", ".json")) and len(spec.split()) == 1:
            raise ValueError(f"{spec!r} looks like the path of a convoy file: give what the file holds")
        return spec
    if isinstance(spec, Mapping):
        return json.dumps(spec, allow_nan=False)
    if isinstance(spec, os.PathLike):
        raise TypeError("a convoy file is given as what it holds: use the read_text() of the path")
    raise TypeError(f"a convoy file is a text or a mapping, not {type(spec).__name__}")


def _run_options(
    concurrency: Union[int, str, None],
    adapter: Optional[str],
    branch: Optional[str],
    max_injected: Optional[int],
    inject_file: Optional[bool],
) -> str:
    if not (concurrency is None or concurrency == "auto"):
        if isinstance(concurrency, str):
            raise ValueError(f'concurrency is a whole number or "auto", not {concurrency!r}')
        _arguments.small("concurrency", concurrency, 1)
    return _options(
        concurrency=concurrency,
        adapter=_perhaps("adapter", adapter),
        branch=_perhaps("branch", branch),
        max_injected=None if max_injected is None else _arguments.small("max_injected", max_injected),
        inject_file=None if inject_file is None else _arguments.flag("inject_file", inject_file),
    )


def _limits(name: str, limits: Any) -> Optional[Dict[str, Dict[str, int]]]:
    if limits is None:
        return None
    if not isinstance(limits, Mapping) or not all(isinstance(limit, Mapping) for limit in limits.values()):
        raise TypeError(f"{name} is a mapping of the names of adapters to mappings such as {{'max_concurrent': 2}}")
    most = {"max_concurrent": _arguments.MOST_32}
    return {
        adapter: {
            what: _arguments.number(f"{what} in {name}[{adapter!r}]", number, most=most.get(what, _arguments.MOST_64))
            for what, number in limit.items()
        }
        for adapter, limit in limits.items()
    }


_perhaps = _arguments.perhaps_text


def _task(convoy: Convoy, task: str) -> Tuple[str, str]:
    return _id(convoy), _arguments.text("task", task)


def _attempt(attempt: int) -> int:
    return _arguments.small("attempt", attempt)


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
