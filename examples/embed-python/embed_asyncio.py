"""Two tasks on a git repository, done one after the other by an agent that is a Python coroutine.

    python embed_asyncio.py REPOSITORY
"""

import asyncio
import sys

import convoy

CONVOY = """{name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [
    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]}"""


class Scribe:
    """Writes the file that the last word of the prompt names."""

    async def execute(self, request: convoy.AgentRequest) -> None:
        path = request.cwd / request.prompt.split()[-1]
        await asyncio.to_thread(path.write_text, request.prompt)


async def main(repository: str) -> None:
    async with convoy.Engine(repository, adapters={"scribe": Scribe()}) as engine:
        run = await asyncio.to_thread(engine.start, CONVOY)
        async for event in run:
            # What is stored, without the publishing of the branch, which goes on beside the tasks.
            if "_event_id" in event and not event["type"].startswith("branch_"):
                print(f"{event['type']} {event['task_id'] or ''}".rstrip())
        view = (await run).view
        print(f"{view['status']}: {view['totals']['done']} of {view['totals']['total']} tasks on {view['branch']}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python embed_asyncio.py REPOSITORY")
    asyncio.run(main(sys.argv[1]))
