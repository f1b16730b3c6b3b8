"""Reads all events of a convoy that has ended, with `for` and with `async for`.

python read.py REPOSITORY CONVOY    prints for each way how many there were and how many seconds that took
"""

import asyncio
import os
import sys
import time

import convoy


def ended(engine: convoy.Engine, convoy_id: str) -> convoy.Run:
    """A run that has ended, of which no event is read."""
    run = engine.publish(convoy_id)
    run.wait()
    run.events_after(0)
    return run


def read(run: convoy.Run) -> int:
    count = 0
    for event in run:
        count += "_event_id" in event
    return count


async def read_async(run: convoy.Run) -> int:
    count = 0
    async for event in run:
        count += "_event_id" in event
    return count


def main(repository: str, convoy_id: str) -> None:
    with convoy.Engine(repository, env=dict(os.environ)) as engine:
        run = ended(engine, convoy_id)
        began = time.perf_counter()
        count = read(run)
        print(f"for event in run\t{count}\t{time.perf_counter() - began}")
        run = ended(engine, convoy_id)
        began = time.perf_counter()
        count = asyncio.run(read_async(run))
        print(f"async for event in run\t{count}\t{time.perf_counter() - began}")


if __name__ == "__main__":
    main(*sys.argv[1:])
