"""Looks at the web host in a headless Chromium, as a person would: starts a convoy and reads the page.

    python check.py [SCREENSHOT.png]

Needs aiohttp, convoy, git, and `chromium` (or the program that CHROMIUM names).
"""

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional

import aiohttp

HERE = Path(__file__).resolve().parent
ENV = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
}
# What the page says when it is done, or that it is not yet.
ENDED = """new Promise(resolve => {
    const look = () => document.body.dataset.ended ? resolve(document.body.innerText) : 0;
    new MutationObserver(look).observe(document.body, {attributes: true});
    look();
})"""
REFUSED = """new Promise(resolve => {
    const status = document.getElementById("status");
    new MutationObserver(() => status.className == "error" && resolve(status.textContent))
        .observe(status, {attributes: true, childList: true});
    document.getElementById("spec").value = "name: no tasks";
    document.getElementById("start").click();
})"""


class Page:
    """A page of Chromium, by its debugging protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.calls = 0

    async def call(self, method: str, **arguments: Any) -> Dict[str, Any]:
        self.calls += 1
        await self.socket.send_json({"id": self.calls, "method": method, "params": arguments})
        while True:
            message = await self.socket.receive_json()
            if message.get("id") == self.calls:
                assert "error" not in message, message
                return dict(message["result"])

    async def until(self, event: str) -> None:
        while (await self.socket.receive_json()).get("method") != event:
            pass

    async def evaluate(self, code: str) -> Any:
        answer = await self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")


async def first_line(stream: Optional[asyncio.StreamReader], begins: str) -> str:
    assert stream is not None
    said = b""
    while line := await stream.readline():
        said += line
        if line.decode().startswith(begins):
            return line.decode().strip()
    raise AssertionError(f"it ended and said only: {said.decode()}")


async def look(host: str, debugger: str, screenshot: Optional[str]) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{debugger}/json/new?about:blank") as answer:
            address = (await answer.json())["webSocketDebuggerUrl"]
        async with session.ws_connect(address, max_msg_size=0) as socket:
            page = Page(socket)
            await page.call("Page.enable")
            await page.call("Page.navigate", url=host)
            await page.until("Page.loadEventFired")
            text = await page.evaluate(f"document.getElementById('start').click(); {ENDED}")
            if screenshot:
                picture = await page.call("Page.captureScreenshot", format="png")
                Path(screenshot).write_bytes(base64.b64decode(picture["data"]))
            print(text)
            for said in ("one\ttask_done\tone.txt: line 5", "two\ttask_done\ttwo.txt: line 5", "run_ended", "- task_output"):
                assert said in text, f"the page does not say {said!r}"
            status = await page.evaluate("document.getElementById('status').textContent")
            assert status == "done", status
            refused = await page.evaluate(REFUSED)
            assert "tasks" in refused, refused

        # Pages of other sites, and names that they make point here, are shut out.
        for headers in ({"Origin": "http://example.invalid"}, {"Host": "example.invalid"}):
            async with session.post(f"{host}convoys", data="name: theirs", headers=headers) as answer:
                assert answer.status == 403, answer.status

        # Whoever comes later, or again, sees what is stored, from where it left off.
        async with session.get(f"{host}convoys") as answer:
            (convoy,) = await answer.json()
        assert convoy["status"] == "done", convoy
        address = f"{host}convoys/{convoy['id']}/events"
        numbers = []
        for after in ("0", "7"):
            async with session.get(address, headers={"Last-Event-ID": after}) as answer:
                lines = (await answer.text()).splitlines()
            assert lines[-3] == "event: end", lines[-3:]
            numbers.append([int(line[4:]) for line in lines if line.startswith("id: ")])
            events = [json.loads(line[6:])["type"] for line in lines if line.startswith("data: {\"")]
            assert events[-1] == "convoy_finished", events
        assert numbers[1] == [number for number in numbers[0] if number > 7], numbers


async def main(screenshot: Optional[str]) -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or sys.exit("check.py: there is no chromium")
    folder = Path(tempfile.mkdtemp(prefix="convoy-web-"))
    repository = folder / "repository"
    for command in (["init", "-q", "-b", "main", str(repository)], ["-C", str(repository), "commit", "-q", "--allow-empty", "-m", "begin"]):
        subprocess.run(["git", *command], check=True, env=ENV)
    pipe = asyncio.subprocess.PIPE
    programs = []
    try:
        server = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "host.py"), str(repository), "0", stdout=pipe, env=ENV
        )
        programs.append(server)
        host = await first_line(server.stdout, "http://")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        browser = await asyncio.create_subprocess_exec(
            str(chromium), *options, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-port=0",
            "--window-size=1000,900", "about:blank", stderr=pipe, stdout=asyncio.subprocess.DEVNULL, env=ENV,
        )
        programs.append(browser)
        debugger = (await first_line(browser.stderr, "DevTools listening on")).split()[-1]
        port = debugger.split("/")[2]
        await asyncio.wait_for(look(host, f"http://{port}", screenshot), 120)
        server.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(server.wait(), 60) == 0, server.returncode
    finally:
        for program in programs:
            if program.returncode is None:
                program.kill()
            await program.wait()
        shutil.rmtree(folder, ignore_errors=True)
    print("the page shows the run")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else None))
