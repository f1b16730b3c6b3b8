"""Not run: the type checker reads it as a host that is checked strictly."""

from typing import Any, Dict, List, Optional, Tuple

import convoy


class Plain:
    capabilities = {"usage"}

    def execute(self, request: convoy.AgentRequest) -> str:
        request.output(b"bytes")
        return request.prompt


class Coroutine:
    async def execute(self, request: convoy.AgentRequest) -> Dict[str, Any]:
        return {"outcome": "succeeded"}


class Judge:
    async def review(self, request: convoy.ReviewRequest) -> Tuple[str, str]:
        return "pass", request.diff


class Queue:
    def prepare(self, request: convoy.PrepareRequest) -> Dict[str, str]:
        return {"outcome": "prepared", "commit": request.work}

    async def advance(self, request: convoy.AdvanceRequest) -> Dict[str, Any]:
        return {"outcome": "fenced", "newer": request.fence}

    def settle(self, request: convoy.SettleRequest) -> Dict[str, str]:
        return {"outcome": "landed"}


def judge(request: convoy.GateRequest) -> bool:
    return len(request.changed_files) < 10 and not request.diff_truncated


async def style(request: convoy.PromptRequest) -> Optional[Tuple[str, str]]:
    return None if request.feedback else ("data", request.task)


def stamp(request: convoy.HookRequest) -> Optional[str]:
    return None if request.on == "post_convoy" else request.task


async def host() -> List[str]:
    async with convoy.Engine(
        ".", {"plain": Plain(), "coroutine": Coroutine()}, reviewer=Judge(), merge_queue=Queue(), grace=1.5,
        gates={"judge": judge}, prompts={"style": style}, hooks={"stamp": stamp}, adapter_limits={"plain": {"stagger_ms": 5}},
        git_backend="reference",
    ) as engine:
        run: convoy.Run = engine.start({"name": "typed"}, concurrency="auto")
        answer: Optional[str] = engine.approve(run, "task", timeout=1.5)
        timeout: float = convoy.AgentRequest({"timeout_ms": 5}, 1).timeout
        assert answer or timeout
        types = [str(event["type"]) async for event in run]
        types += [event["type"] for event in run]
        result: convoy.Result = await run
        if result.warnings or run.wait(1.0).status != "done":
            raise convoy.AgentFailed("no", retry_at=None)
        content: bytes = engine.artifact(run, "task", "name")
        return [*types, content.decode()]
