"""A web host: starts convoys on one repository, and shows in a browser how they run.

    pip install -r requirements.txt        (and the wheel of convoy)
    python host.py REPOSITORY [PORT]

One engine, one event loop. The agent is a coroutine on that loop; every page that looks at a convoy follows it by
server-sent events, also one that comes later, is reloaded, or lost its connection: the browser says which event it saw
last, and the store has the rest.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import AsyncIterator, Awaitable, Callable, Dict, List

from aiohttp import web

import convoy

HERE = Path(__file__).parent
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scribe:
    """Writes the file that the last word of the prompt names, line by line, so that there is something to see."""

    async def execute(self, request: convoy.AgentRequest) -> str:
        path = request.cwd / request.prompt.split()[-1]
        with path.open("w") as file:
            for number in range(1, 6):
                file.write(f"line {number}\n")
                request.output(f"{path.name}: line {number}\n")
                await asyncio.sleep(0)
        return f"wrote {path.name}"


class Live:
    """A run that pages follow. It is read once, and its events are kept until it ends, for pages that come later."""

    def __init__(self, run: convoy.Run) -> None:
        self.run = run
        self.seen: List[convoy.Event] = []
        self.changed = asyncio.Condition()
        self.over = False
        self.reader = asyncio.create_task(self.read())

    async def read(self) -> None:
        async for event in self.run:
            self.seen.append(event)
            async with self.changed:
                self.changed.notify_all()
        self.over = True
        async with self.changed:
            self.changed.notify_all()

    async def follow(self, after: int) -> AsyncIterator[convoy.Event]:
        """What came after a stored event, and what comes."""
        numbers = [event.get("_event_id") for event in self.seen]
        position = numbers.index(after) + 1 if after in numbers else 0
        while True:
            while position < len(self.seen):
                position += 1
                yield self.seen[position - 1]
            async with self.changed:
                await self.changed.wait_for(lambda: self.over or position < len(self.seen))
            if self.over and position == len(self.seen):
                return


@web.middleware
async def own_page_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whoever may start a convoy may run programs here: no page of another site may, by whatever name it calls us."""
    assert request.transport is not None
    own = "127.0.0.1:{1}".format(*request.transport.get_extra_info("sockname"))
    if request.host != own or request.headers.get("Origin", f"http://{own}") != f"http://{own}":
        raise web.HTTPForbidden(text="open the page under the address that the program printed")
    return await handler(request)


class Host:
    """The engine and what belongs to its web pages."""

    def __init__(self, engine: convoy.Engine) -> None:
        self.engine = engine
        self.live: Dict[str, Live] = {}

    def routes(self) -> web.Application:
        app = web.Application(middlewares=[own_page_only])
        app.add_routes(
            [
                web.get("/", self.page),
                web.get("/convoys", self.list),
                web.post("/convoys", self.start),
                web.post("/convoys/{id}/cancel", self.cancel),
                web.get("/convoys/{id}/events", self.events),
            ]
        )
        return app

    async def page(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(HERE / "page.html")

    async def list(self, _request: web.Request) -> web.Response:
        return web.json_response(await asyncio.to_thread(self.engine.list))

    async def start(self, request: web.Request) -> web.Response:
        """Starts the convoy file that is the body."""
        try:
            run = await asyncio.to_thread(self.engine.start, await request.text(), adapter="scribe")
        except convoy.InvalidSpec as error:
            return web.json_response({"error": str(error), "problems": error.problems}, status=422)
        except convoy.EngineError as error:
            return web.json_response({"error": str(error)}, status=409)
        live = self.live[run.id] = Live(run)
        live.reader.add_done_callback(lambda _task: self.live.pop(run.id))
        return web.json_response({"id": run.id}, status=201)

    async def cancel(self, request: web.Request) -> web.Response:
        try:
            await asyncio.to_thread(self.engine.cancel, request.match_info["id"])
        except convoy.NotFound as error:
            return web.json_response({"error": str(error)}, status=404)
        except convoy.EngineError as error:
            return web.json_response({"error": str(error)}, status=409)
        return web.Response(status=202)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """The events of a convoy from the one that the browser saw last, as server-sent events."""
        identity = request.match_info["id"]
        try:
            after = int(request.headers.get("Last-Event-ID", 0))
            await asyncio.to_thread(self.engine.status, identity)
        except (ValueError, convoy.EngineError) as error:
            return web.json_response({"error": str(error)}, status=404)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await response.prepare(request)
        async for event in self.follow(identity, after):
            number = f"id: {event['_event_id']}\n" if "_event_id" in event else ""
            await response.write(f"{number}data: {json.dumps(event)}\n\n".encode())
        await response.write(b"event: end\ndata: {}\n\n")
        return response

    async def follow(self, identity: str, after: int) -> AsyncIterator[convoy.Event]:
        """What is stored from before the run of this process, and then that run."""
        live = self.live.get(identity)
        begin = live.run.first_event_id if live else float("inf")
        for event in await asyncio.to_thread(lambda: list(self.engine.events(identity, after))):
            if event["_event_id"] < begin:
                yield event
        if live:
            async for event in live.follow(after):
                yield event


async def main(repository: str, port: int) -> None:
    async with await asyncio.to_thread(make_engine, repository, asyncio.get_running_loop()) as engine:
        runner = web.AppRunner(Host(engine).routes(), shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


def make_engine(repository: str, loop: asyncio.AbstractEventLoop) -> convoy.Engine:
    """An engine whose adapters run on the loop; making it waits for git and the disk."""
    return convoy.Engine(repository, adapters={"scribe": Scribe()}, loop=loop)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python host.py REPOSITORY [PORT]")
    try:
        asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 8080))
    except KeyboardInterrupt:
        pass
