"""The Python host of the parity tests: does what a job says (see main.rs), with adapters that are plain functions.

    python host.py JOB [asyncio]

With the second word the same, with coroutines.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading

import convoy

LANDING = {
    "prepare": ("integration_ref", "tip", "work", "message"),
    "advance": ("integration_ref", "commit", "onto", "fence"),
    "settle": ("integration_ref", "commit", "onto"),
}


printing = threading.Lock()


def say(**line):
    """Prints one line, at once: lines of several threads do not mix, and nothing is left when this is killed."""
    with printing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class Shared:
    """What the parts share."""

    def __init__(self, job):
        self.repository, self.landing, self.script = job["repository"], job["landing"], job["script"]
        self.lock = threading.Condition()
        self.calls = {}
        self.open = set()
        self.run = None

    def asked(self, kind, request):
        """Says what was asked, and gives what is to be done."""
        tail = request.raw.get("worker_id", "").partition(".")[2] or request.raw.get("name", "")
        say(asked=kind, request=request.raw)
        exact = f"{kind} {tail}"
        key = exact if exact in self.script else kind
        if key not in self.script:
            return [["git"]] if kind in LANDING else [["raise", "Unscripted", exact]]
        with self.lock:
            number = self.calls[key] = self.calls.get(key, -1) + 1
        return self.script[key][min(number, len(self.script[key]) - 1)]

    def open_gate(self, gate):
        with self.lock:
            self.open.add(gate)
            self.lock.notify_all()

    def pass_gate(self, gate):
        with self.lock:
            self.lock.wait_for(lambda: gate in self.open)

    def land(self, kind, request):
        words = [str(request.raw[name]) for name in LANDING[kind]]
        done = subprocess.run(["sh", self.landing, self.repository, kind, *words], stdout=subprocess.PIPE)
        return json.loads(done.stdout)


def follow(shared, kind, request):
    """Does what the script says, up to the answer."""
    for word, *args in shared.asked(kind, request):
        if word in ("answer", "answer-twice", "nonsense"):  # Who returns the answer cannot answer twice.
            return args[0]
        if word == "raise":
            raise type(args[0], (Exception,), {})(args[1])
        if word == "fail":
            raise convoy.AgentFailed(args[0], args[1])
        if word == "git":
            return shared.land(kind, request)
        if word == "git-only":
            shared.land(kind, request)
        elif word == "write":
            # Code beside agents has a worktree.
            folder = request.worktree if hasattr(request, "worktree") else request.cwd
            (folder / args[0]).write_text(args[1])
        elif word == "output":
            request.output(args[0])
        elif word == "complain":
            request.output(args[0], "stderr")
        elif word == "repeat":
            request.output(request.raw[args[0]])
        elif word == "session":
            request.session(args[0])
        elif word == "started":
            request.started(os.getpid())
        elif word == "ask":
            getattr(shared.run, args[0])(*args[1:])
        elif word == "await":
            shared.pass_gate(args[0])
        elif word == "cancelled":
            request.wait_cancelled()
        elif word == "hang":
            threading.Event().wait()
        elif word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        else:
            raise LookupError(word)
    raise LookupError("the script has no answer")


class Part:
    """An adapter, a reviewer or a merge queue."""

    def __init__(self, shared, name=None, account=None, model=None, capabilities=None):
        self.shared, self.name, self.account, self.model = shared, name, account, model
        self.capabilities = [what for what, can in (capabilities or {}).items() if can]


def plain(kind):
    return lambda self, request: follow(self.shared, kind, request)


def in_thread(function, *args):
    """As ``asyncio.to_thread``, on a thread that nobody waits for at the end: scripts may hang."""
    loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def set_later(setter, value):
        try:
            loop.call_soon_threadsafe(lambda: future.done() or setter(value))
        except RuntimeError:
            pass  # The loop has ended, and nobody waits.

    def work():
        try:
            set_later(future.set_result, function(*args))
        except BaseException as error:
            set_later(future.set_exception, error)

    threading.Thread(target=work, daemon=True).start()
    return future


def coroutine(kind):
    async def method(self, request):
        # What waits is done elsewhere; the engine asks this to end by cancelling it, which the script must not feel.
        work = in_thread(follow, self.shared, kind, request)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            return await work

    return method


def part_class(method):
    return type("Scripted", (Part,), {kind: method(kind) for kind in ("execute", "review", "gate", "prompt", "hook", *LANDING)})


class Drive:
    """The program of a job: calls of an engine and its runs, one after the other."""

    def __init__(self, job, engine, shared):
        self.job, self.engine, self.shared = job, engine, shared
        self.rules = list(job["on"])
        self.run = self.convoy = None

    async def call(self, words):
        """Makes one call and says what became of it."""
        ident = (self.convoy or "").replace("convoy-", "")
        word, *args = [arg.replace("CONVOY", ident) if isinstance(arg, str) else arg for arg in words]
        if word == "open":
            say(did=words)  # Before, as it may be the last thing that this process does.
            self.shared.open_gate(*args)
            return
        try:
            told = await self.do(word, args)
        except convoy.Error as error:
            say(did=words, failed={"status": error.status, "message": error.message})
        else:
            say(did=words, told=told)

    async def do(self, word, args):
        engine, convoy_id = self.engine, self.convoy
        if word in ("start", "resume", "retry", "publish"):
            return await self.follow(word, args)
        if word in ("pause", "unpause", "cancel", "interrupt"):
            return getattr(self.run, word)(*args)
        if word in ("shutdown", "list"):
            return await self.blocking(getattr(engine, word))
        if word == "log":
            path = await self.blocking(engine.log_path, convoy_id, *args)
            return {"path": str(path), "text": path.read_text()}
        if word == "export":
            path = self.job["repository"] + ".ndjson"
            count = await self.blocking(engine.export, convoy_id, path)
            with open(path, encoding="utf-8") as lines:
                return {"count": count, "events": [json.loads(line) for line in lines]}
        if word == "prune":
            return await self.blocking(lambda: engine.prune(**args[0]))
        if word == "retention":
            return await self.blocking(engine.last_retention)
        if word == "events":
            return list(engine.events(convoy_id))
        if word == "artifact":
            return (await self.blocking(engine.artifact, convoy_id, *args)).decode(errors="replace")
        if word in ("approve", "reject", "skip", "accept"):
            last = 1 if word != "accept" else 2
            reason = args[last] if len(args) > last else None
            return await self.blocking(getattr(engine, word), convoy_id, *args[:last], reason=reason)
        if word == "inject":
            return await self.blocking(engine.inject, convoy_id, args[0], source="parity", key=args[1])
        name = word[4:] if word.startswith("ask_") else word
        return await self.blocking(getattr(engine, name), convoy_id, *args)

    async def follow(self, word, args):
        """Begins a run and reads its events to the end."""
        if word == "start":
            self.run = await self.blocking(self.engine.start, self.job["convoy"], **self.job["options"])
        elif word == "resume":
            self.run = await self.blocking(self.engine.resume)
        else:
            self.run = await self.blocking(getattr(self.engine, word), self.convoy, *args)
        self.convoy, self.shared.run = self.run.id, self.run
        async for event in self.events():
            say(**event)
            await self.react(event)
            if self.engine.closed:
                return None
        result = await self.result()
        return {"ended": result.ended, "view": result.view, "warnings": result.warnings}

    async def react(self, event):
        """Does what the first rule says that fits the event."""
        for rule in self.rules:
            if event["type"] == rule["type"] and rule.get("task") in (None, event.get("task_id")):
                self.rules.remove(rule)
                for words in rule["do"]:
                    await self.call(words)
                return


class PlainDrive(Drive):
    """Everything in one thread, without a loop."""

    async def blocking(self, function, *args, **more):
        return function(*args, **more)

    async def events(self):
        for event in self.run:
            yield event

    async def result(self):
        return self.run.wait()


class LoopDrive(Drive):
    """What waits is awaited."""

    async def blocking(self, function, *args, **more):
        return await asyncio.to_thread(function, *args, **more)

    async def events(self):
        async for event in self.run:
            yield event

    async def result(self):
        return await self.run


def engine_of(job, shared, kind):
    options = dict(job["engine"])
    options["grace"] = options.pop("grace_ms") / 1000
    adapters = {given["name"]: kind(shared, **given) for given in job["adapters"]}
    return convoy.Engine(
        job["repository"],
        adapters=adapters,
        reviewer=kind(shared, **job["reviewer"]) if job.get("reviewer") else None,
        merge_queue=kind(shared) if job.get("queue") else None,
        gates={name: kind(shared).gate for name in job["gates"]},
        prompts={name: kind(shared).prompt for name in job["prompts"]},
        hooks={name: kind(shared).hook for name in job["hooks"]},
        **options,
    )


async def drive(job, engine, shared, kind):
    program = kind(job, engine, shared)
    for words in job["main"]:
        await program.call(words)


def main_plain(job, shared):
    with engine_of(job, shared, part_class(plain)) as engine:
        steps = drive(job, engine, shared, PlainDrive)
        try:
            steps.send(None)  # Nothing in it waits on a loop, so it runs to its end.
        except StopIteration:
            pass


async def main_loop(job, shared):
    async with engine_of(job, shared, part_class(coroutine)) as engine:
        await drive(job, engine, shared, LoopDrive)


def main(path, way="plain"):
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    shared = Shared(job)
    if way == "asyncio":
        asyncio.run(main_loop(job, shared))
    else:
        main_plain(job, shared)
    say(end=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
