"""How many events per second a Python host reads.

    python events.py [NUMBER]        (100000 if not given)

Pausing and going on makes stored events without any work of git. They are made first, while nobody reads, and then read
by `for event in run`, by `async for event in run`, and by `engine.events`.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Tuple

import convoy

SPEC = {"name": "bench", "version": 1, "adapter": "waits", "tasks": [{"id": "one", "prompt": "Wait"}]}


class Waits:
    """Works until it is told to end."""

    def __init__(self) -> None:
        self.working = threading.Event()

    def execute(self, request: convoy.AgentRequest) -> None:
        self.working.set()
        request.wait_cancelled()
        request.check()


def prepare(engine: convoy.Engine, number: int) -> convoy.Run:
    """A run with so many stored events, of which none is read."""
    run = engine.start(SPEC)
    made = 0
    while made < number:
        for _ in range(1000):
            run.pause()
            run.unpause()
        made = sum(1 for _ in engine.events(run, after=run.first_event_id + made)) + made
    return run


def read(run: convoy.Run, number: int) -> Tuple[int, float]:
    began, count = time.perf_counter(), 0
    for _event in run:
        count += 1
        if count == number:
            break
    return count, time.perf_counter() - began


async def read_async(run: convoy.Run, number: int) -> Tuple[int, float]:
    began, count = time.perf_counter(), 0
    async for _event in run:
        count += 1
        if count == number:
            break
    return count, time.perf_counter() - began


def say(name: str, measured: Tuple[int, float]) -> None:
    count, seconds = measured
    print(f"{name}: {count} events in {seconds:.2f} s, {count / seconds:.0f} events/s", flush=True)


def main(number: int) -> None:
    with tempfile.TemporaryDirectory(prefix="convoy-bench-") as folder:
        repository = Path(folder) / "repository"
        env = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
        identity = ["-c", "user.name=Bench", "-c", "user.email=bench@example.invalid"]
        for command in (["init", "-q", str(repository)], ["-C", str(repository), "commit", "-q", "--allow-empty", "-m", "begin"]):
            subprocess.run(["git", *identity, *command], check=True, env=env)
        waits = Waits()
        with convoy.Engine(repository, {"waits": waits}, env=env, grace=1) as engine:
            run = prepare(engine, number)
            again = prepare(engine, number)
            say("for event in run", read(run, number))
            say("async for event in run", asyncio.run(read_async(again, number)))
            began = time.perf_counter()
            count = sum(1 for _ in engine.events(run))
            say("engine.events", (count, time.perf_counter() - began))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
