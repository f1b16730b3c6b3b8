"""Runs, their events and the questions about them, without asyncio."""

import os
import signal
import sys
import threading
import unittest

import convoy
from support import TWO_FILES, AsyncScribe, Case, Made, git, one_task, run_python, write


class Runs(Case):
    def test_a_convoy_runs_and_lands_its_work(self):
        with self.engine() as engine:
            run = engine.start(TWO_FILES)
            events = list(run)
            self.assertEqual(events[0]["type"], "convoy_started")
            self.assertEqual(events[0]["_event_id"], run.first_event_id)
            self.assertEqual(events[-1]["type"], "run_ended")
            self.assertEqual(events[-1]["ended"], "finished")
            self.assertEqual(list(run), [], "events are given once")
            result = run.wait()
            self.assertEqual((result.ended, result.status, result.warnings), ("finished", "done", []))
            self.assertEqual(result.view, engine.status(run))
            self.assertTrue(run.done)
            stored = [event for event in events if "_event_id" in event]
            self.assertEqual(list(engine.events(run)), stored)
            self.assertEqual(list(engine.events(run.id, after=stored[4]["_event_id"])), stored[5:])
        self.assertEqual((self.repository / "two.txt").read_text(), "written in Python\n")

    def test_a_coroutine_runs_without_any_loop_of_the_host(self):
        threads = []

        async def execute(request):
            threads.append(threading.current_thread().name)
            write(request)

        with self.engine(Made(execute)) as engine:
            self.assertEqual(engine.start(TWO_FILES).wait().status, "done")
        self.assertEqual(threads, ["convoy-loop", "convoy-loop"])
        self.assertNotIn("convoy-loop", [t.name for t in threading.enumerate() if not t.daemon])

    def test_reading_can_be_left_off_and_taken_up_again(self):
        engine = self.engine()
        run = engine.start(TWO_FILES)
        run.wait()
        for first in run:
            break
        rest = list(run)
        self.assertEqual([first["type"], rest[-1]["type"]], ["convoy_started", "run_ended"])
        numbers = [event["_event_id"] for event in [first, *rest] if "_event_id" in event]
        self.assertEqual(numbers, [event["_event_id"] for event in engine.events(run)])

    def test_what_an_adapter_prints_is_followed_live_and_logged(self):
        read = threading.Event()

        def execute(request):
            request.output("half a line, ")
            request.output(b"and the rest\n")
            request.output("to stderr\n", stream="stderr")
            request.started(os.getpid())
            self.assertTrue(read.wait(60))
            with self.assertRaises(ValueError):
                request.output("x", stream="stdin")
            write(request)

        engine = self.engine(Made(execute))
        run = engine.start(one_task())
        text = ""
        for event in run:
            if event["type"] == "task_output":
                text += event["text"]
                if "rest\n" in text and "stderr\n" in text:
                    read.set()
        self.assertIn("half a line, and the rest\n", text)
        self.assertIn("half a line, and the rest\n", engine.log_path(run, "one").read_text())
        self.assertEqual(engine.status(run)["status"], "done")

    def test_a_session_and_a_model_reach_an_adapter_that_can_use_them(self):
        seen = []

        def execute(request):
            seen.append((request.adapter, request.model, request.resume_session, request.read_only, request.idle))
            request.session("session-1")
            write(request)
            return {
                "outcome": "succeeded",
                "session": "session-1",
                "usage": {"input": 1, "output": 2, "cost_usd": 0.25},
                "result_text": "written",
            }

        adapter = Made(execute, capabilities={"resume", "model", "usage", "cost"}, account="team")
        with self.engine(adapter) as engine:
            run = engine.start(one_task(model="large"))
            self.assertEqual(run.wait().status, "done")
            attempt = engine.attempt(run, "one")
        self.assertEqual(seen, [("scribe", "large", None, False, None)])
        self.assertIn("session-1", str(attempt))
        self.assertIn("0.25", str(attempt))

    def test_requests_say_what_an_agent_must_know(self):
        seen = []

        def execute(request):
            seen.append(request)
            write(request)

        with self.engine(Made(execute), grace=2.5) as engine:
            engine.start(one_task(timeout="90s")).wait()
        (request,) = seen
        self.assertEqual((request.timeout, request.grace, request.cancelled), (90.0, 2.5, False))
        self.assertIn("Write one.txt", request.prompt)
        self.assertEqual(request.env["GIT_CONFIG_GLOBAL"], "/dev/null")
        self.assertTrue(request.worker_id)
        with self.assertRaises(convoy.Cancelled):
            request.output("too late")

    def test_a_run_is_paused_and_goes_on(self):
        engine = self.engine()
        run = engine.start(TWO_FILES)
        run.pause()
        types = []
        for event in run:
            types.append(event["type"])
            if event["type"] == "convoy_paused":
                run.unpause()
        self.assertIn("convoy_paused", types)
        self.assertEqual(run.wait().status, "done")

    def test_an_interrupted_run_is_resumed(self):
        begun = threading.Event()

        def execute(request):
            if not begun.is_set():
                begun.set()
                request.wait_cancelled(60)
                request.check()
            write(request)

        engine = self.engine(Made(execute))
        run = engine.start(one_task())
        self.assertTrue(begun.wait(60))
        with self.assertRaises(TimeoutError):
            run.wait(timeout=0)
        self.assertFalse(run.done)
        self.assertTrue(engine.is_running(run))
        run.interrupt("lunch")
        self.assertEqual(run.wait().ended, "interrupted")
        again = engine.resume()
        self.assertEqual(again.id, run.id)
        again.events_after(0)
        self.assertEqual(again.wait().status, "done")
        events = [event for event in again if "_event_id" in event]
        self.assertEqual(events, list(engine.events(run)))
        self.assertGreater(again.first_event_id, run.first_event_id)
        with self.assertRaises(convoy.StateError):
            again.events_after(0)
        with self.assertRaises(convoy.NothingToResume):
            engine.resume()

    def test_ctrl_c_ends_waiting_and_reading(self):
        code = """
import convoy, os, signal, support, sys, threading
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(lambda request: request.wait_cancelled())},
                       env=support.ENV, grace=1)
run = engine.start(support.one_task())
def interrupt(wait):
    # The signal comes when the main thread is about to wait, or waits.
    ready = threading.Event()
    threading.Thread(target=lambda: ready.wait() and os.kill(os.getpid(), signal.SIGINT)).start()
    try:
        ready.set()
        wait()
    except KeyboardInterrupt:
        print("stopped")
interrupt(run.wait)
interrupt(lambda: list(run))
engine.shutdown()
print(run.wait().ended)
"""
        done = run_python(code, self.repository)
        self.assertEqual((done.stdout, done.returncode), ("stopped\nstopped\ninterrupted\n", 0), done.stderr)


class Questions(Case):
    def test_a_convoy_file_is_checked_and_planned(self):
        engine = self.engine()
        for checks in (convoy.check, engine.check):
            self.assertTrue(checks(TWO_FILES)["ok"])
            self.assertEqual(checks("name: x")["problems"][0]["path"], "tasks")
        plan = engine.plan(TWO_FILES, concurrency=3)
        self.assertEqual((plan["name"], plan["concurrency"]), ("two files", 3))
        self.assertEqual([task["depends_on"] for task in plan["tasks"]], [[], ["one"]])
        self.assertEqual(engine.list(), [], "nothing was stored")

    def test_convoys_are_listed_and_looked_into(self):
        def execute(request):
            (request.cwd / "report.md").write_bytes(b"r\0\xff")

        engine = self.engine(Made(execute))
        run = engine.start(one_task(outputs=[{"name": "report", "type": "file", "path": "report.md"}]))
        self.assertEqual(run.wait().status, "done")
        self.assertEqual([entry["id"] for entry in engine.list()], [run.id])
        self.assertEqual(engine.artifact(run, "one", "report"), b"r\0\xff")
        self.assertEqual((engine.dead_letters(run), engine.disputes(run)), ([], []))
        self.assertFalse(engine.is_running(run))
        self.assertEqual(engine.state_dir, self.repository.resolve() / ".convoy")
        with self.assertRaises(convoy.NotFound):
            engine.status("convoy-" + "0" * 26)
        with self.assertRaises(TypeError):
            engine.status(7)

    def test_a_dead_letter_is_closed_and_its_task_tried_again(self):
        broken = [True, True]

        def execute(request):
            if broken:
                broken.pop()
                raise OSError("no disk")
            write(request)

        engine = self.engine(Made(execute))
        run = engine.start(one_task())
        self.assertEqual(run.wait().status, "failed")
        (letter,) = engine.dead_letters(run)
        self.assertIn("OSError: no disk", letter["error"])
        engine.resolve_dead_letter(run, letter["dlq_id"], "bought a disk")
        with self.assertRaises(convoy.StateError):
            engine.resolve_dead_letter(run, letter["dlq_id"], "twice")
        self.assertEqual(engine.retry(run).wait().status, "failed")
        self.assertEqual(engine.retry(run, ["one"]).wait().status, "done")
        self.assertEqual(engine.publish(run).wait().view["published"], True)

    def test_people_approve_reject_skip_accept_and_add_tasks(self):
        git(self.repository, "checkout", "-q", "-b", "mine")
        (self.repository / "mine.txt").write_text("mine\n")
        git(self.repository, "add", ".")
        git(self.repository, "commit", "-q", "-m", "mine")
        git(self.repository, "checkout", "-q", "main")
        tasks = [
            {"id": name, "prompt": f"Write {name}.txt", "approve": "before_merge", "max_retries": 0}
            for name in ("yes", "no", "mine", "never")
        ]
        engine = self.engine()
        run = engine.start({"name": "people", "version": 1, "adapter": "scribe", "tasks": tasks})
        types = []
        # The last answer waits for the work of a person and the task that was added, so that the run does not end before.
        missing = {"task_done mine", "task_done added", "task_awaiting_approval never"}
        for event in run:
            task = event.get("task_id")
            types.append(f"{event['type']} {task or ''}".strip())
            if event["type"] == "task_awaiting_approval":
                if task == "mine" and types.count(types[-1]) == 1:
                    engine.accept(run, "mine", "mine", reason="by hand")
                elif task in ("yes", "mine"):
                    engine.approve(run, task, reason="fine")
                elif task == "no":
                    engine.reject(run, task, reason="not this")
                    added = {"tasks": [{"id": "added", "prompt": "Write added.txt"}]}
                    self.assertEqual(engine.inject(run, added, source="test", key="k1"), "k1")
            elif event["type"] in ("request_refused", "injection_refused"):
                run.cancel()
                self.fail(str(event))
            if missing and missing <= set(types):
                missing = set()
                engine.skip(run, "never", reason="not needed")
        status = {task["id"]: task["status"] for task in engine.status(run)["tasks"]}
        self.assertEqual(
            status, {"yes": "done", "no": "failed", "mine": "done", "never": "skipped", "added": "done"}, types
        )
        self.assertEqual(git(self.repository, "show", "main:mine.txt"), "mine\n")

    def test_another_engine_cancels_pauses_and_goes_on_by_the_store(self):
        begun = threading.Event()

        def execute(request):
            begun.set()
            request.wait_cancelled(60)
            request.check()

        engine, other = self.engine(Made(execute)), self.engine()
        run = engine.start(one_task())
        self.assertTrue(begun.wait(60))
        with self.assertRaises(convoy.Busy):
            other.resume(run.id)
        other.pause(run.id)
        other.unpause(run.id)
        other.cancel(run.id)
        self.assertEqual(run.wait().status, "cancelled")
        with self.assertRaises(convoy.StateError):
            other.pause(run.id)

    def test_errors_have_a_class_a_number_and_details(self):
        engine = self.engine()
        with self.assertRaises(convoy.InvalidSpec) as caught:
            engine.start("name: x")
        error = caught.exception
        self.assertIsInstance(error, convoy.EngineError)
        self.assertEqual((error.status, error.name), (101, "CONVOY_INVALID_SPEC"))
        self.assertEqual(error.problems[0]["path"], "tasks")
        with self.assertRaises(convoy.AgentError):
            engine.start(one_task(adapter="nobody"))
        with self.assertRaises(convoy.CallError):
            engine.start(TWO_FILES, concurrency="many")
        with self.assertRaises(TypeError):
            engine.start(7)
        with self.assertRaises(convoy.RepositoryError):
            convoy.Engine(self.folder)
        with self.assertRaises(convoy.NotFound):
            self.engine(create=False, state_dir=self.folder / "nothing")

    def test_errors_can_be_pickled(self):
        import pickle

        with self.assertRaises(convoy.InvalidSpec) as caught:
            self.engine().start("name: x")
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((type(again), str(again)), (convoy.InvalidSpec, str(caught.exception)))
        self.assertEqual(again.problems, caught.exception.problems)


class Parts(Case):
    def test_what_is_no_adapter_is_refused_at_once(self):
        for adapter in (object(), AsyncScribe, lambda request: None):
            with self.assertRaisesRegex(TypeError, "execute"):
                convoy.Engine(self.repository, {"scribe": adapter})
        with self.assertRaises(convoy.InvalidArgument):
            convoy.Engine(self.repository, {"No Name": AsyncScribe()})
        with self.assertRaises(convoy.CallError):
            self.engine(Made(write, capabilities={"flying"}))
        with self.assertRaisesRegex(TypeError, "settle"):
            self.engine(merge_queue=Made(write, prepare=write, advance=write))
        with self.assertRaisesRegex(TypeError, "review"):
            self.engine(reviewer=Made(write))

    def test_a_secret_is_never_stored(self):
        def execute(request):
            request.output("token hunter2-hunter2\n")
            write(request)

        engine = self.engine(Made(execute), secrets=["hunter2-hunter2"], actor="tester")
        run = engine.start(one_task())
        run.wait()
        log = engine.log_path(run, "one").read_text()
        self.assertIn("[REDACTED", log)
        self.assertNotIn("hunter2-hunter2", log)


@unittest.skipUnless(sys.platform.startswith("linux"), "signals of Linux")
class Programs(Case):
    def test_a_killed_host_leaves_what_can_be_resumed(self):
        code = """
import convoy, os, signal, support, sys
kill = support.Made(lambda request: os.kill(os.getpid(), signal.SIGKILL))
convoy.Engine(sys.argv[1], {"scribe": kill}, env=support.ENV).start(support.one_task()).wait()
"""
        done = run_python(code, self.repository)
        self.assertEqual(done.returncode, -signal.SIGKILL, done.stderr)
        engine = self.engine()
        self.assertEqual(engine.resume().wait().status, "done")


if __name__ == "__main__":
    unittest.main()
