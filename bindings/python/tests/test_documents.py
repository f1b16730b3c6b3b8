"""The programs of the README and the examples do what they say."""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

import convoy
from support import ENV, Case, Made, git, one_task, run_python

ROOT = Path(__file__).resolve().parents[3]
README = Path(__file__).parents[1] / "README.md"
EXAMPLES = ROOT / "examples"


class Readme(Case):
    def test_its_programs_run(self):
        programs = re.findall(r"<!-- run by a test -->\n```python\n(.*?)```", README.read_text(), flags=re.S)
        self.assertEqual(len(programs), 3)
        for program, files in zip(programs, (["bye.txt", "hello.txt"], ["hello.txt"], ["hello.txt"])):
            done = run_python(program, self.repository)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.splitlines()[-1], "done")
            landed = git(self.repository, "ls-tree", "--name-only", "main").split()
            self.assertEqual(sorted(set(landed) - {"README.md"}), files)
            git(self.repository, "rm", "-q", *files)
            git(self.repository, "commit", "-q", "-m", "again")

    def test_what_it_says_of_events_fields_and_statuses_is_so(self):
        text = README.read_text()
        rows = re.findall(r"^\| ((?:`[a-z_]+` ?)+)\| ((?:`[a-z_]+`[^|]*)?)\|", text, flags=re.M)
        told = {kind: set(re.findall(r"`([a-z_]+)`", keys)) for kinds, keys in rows for kind in re.findall(r"`(\w+)`", kinds)}
        with self.engine(reviewer=Made(None, review=lambda request: "pass")) as engine:
            run = engine.start({**one_task(review="fast", approve="before_merge", gates=["true"]), "defaults": {}})
            for event in run:
                if event["type"] == "task_awaiting_approval":
                    engine.approve(run, "one", tree=event["tree"])
                always = told.get(event["type"], set()) - {"model", "exit_code", "could_not", "error"}
                self.assertLessEqual(always, set(event), event)
                told.pop(event["type"], None)
            self.assertEqual(run.wait().status, "done")
            self.assertEqual([entry["unfinished"] for entry in engine.list()], [False])
            self.assertLessEqual(
                {"convoy_id", "status", "published", "totals", "tasks", "integration_ref"}, set(engine.status(run))
            )
        seen = {"convoy_started", "task_started", "gate_result", "review_verdict", "task_done", "run_ended", "branch_published"}
        self.assertEqual(seen & set(told), set())
        file = text[text.index("## The convoy file") : text.index("## With asyncio")]
        fields = [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| ((?:`\w+` ?)+)\|", file, flags=re.M)]
        top, task = fields[:7], fields[7:]
        self.assertEqual((top[-1], task[0]), (["defaults"], ["depends_on"]))
        good = {"version": 1, "concurrency": 1, "adapter": "a", "branch": "b", "on_failure": "stop", "gates": ["true"],
                "defaults": {}, "depends_on": [], "model": "m", "agent": "tester", "timeout": "1s", "max_retries": 0,
                "review": "fast", "approve": "before_run", "priority": 1, "on_exhausted": "skip"}
        for names, place in ((top, None), (task, "tasks")):
            for name in (name for row in names for name in row):
                spec = {"name": "n", "version": 1, "tasks": [{"id": "t", "prompt": "p"}]}
                (spec["tasks"][0] if place else spec)[name] = good[name]
                self.assertEqual(convoy.check(spec), {"ok": True, "problems": []}, name)

    def test_its_line_for_sigterm_ends_agents_that_are_programs(self):
        (line,) = re.findall(r"`(signal\.signal\(signal\.SIGTERM.*?)`", README.read_text())
        agent = {"sleeper": {"command": ["sh", "-c", "echo $$; exec sleep 600"]}}
        spec = {"name": "n", "version": 1, "adapter": "sleeper", "adapters": agent, "tasks": [{"id": "a", "prompt": "p"}]}
        plain = f"""
import convoy, os, signal, sys
{line}
with convoy.Engine(sys.argv[1]) as engine:
    for event in engine.start({spec}):
        if event["type"] == "task_output":
            print(event["text"].strip(), flush=True)
            os.kill(os.getpid(), signal.SIGTERM)
"""
        coroutine = f"""
import asyncio, convoy, os, signal, sys
{line}
async def main():
    async with convoy.Engine(sys.argv[1]) as engine:
        async for event in await asyncio.to_thread(engine.start, {spec}):
            if event["type"] == "task_output":
                print(event["text"].strip(), flush=True)
                os.kill(os.getpid(), signal.SIGTERM)
asyncio.run(main())
"""
        for code in (plain, coroutine):
            done = run_python(code, self.repository)
            self.assertEqual((done.returncode, done.stderr), (143, ""))
            with self.assertRaises(ProcessLookupError, msg="the agent has ended"):
                os.kill(int(done.stdout), 0)

    def test_it_names_every_operation(self):
        text = README.read_text()
        missing = [
            f"{kind.__name__}.{name}"
            for kind in (convoy.Engine, convoy.Run, convoy.Result)
            for name in vars(kind)
            if not name.startswith("_") and not re.search(rf"\b{name}\b", text)
        ]
        self.assertEqual(missing, [])


class Examples(Case):
    def test_they_print_what_those_in_other_languages_print(self):
        golden = (EXAMPLES / "embed-transcript.txt").read_text()
        for number, program in enumerate(("embed.py", "embed_asyncio.py")):
            with self.subTest(program):
                git(self.folder, "clone", "-q", self.repository, f"clone{number}")
                path = os.pathsep.join(filter(None, sys.path))
                done = subprocess.run(
                    [sys.executable, EXAMPLES / "embed-python" / program, self.folder / f"clone{number}"],
                    env={**os.environ, **ENV, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300,
                )
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(done.stdout, golden)
                log = git(self.folder / f"clone{number}", "ls-tree", "--name-only", "main").split()
                self.assertEqual(log, ["README.md", "one.txt", "two.txt"])


if __name__ == "__main__":
    unittest.main()
