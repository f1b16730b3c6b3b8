"""Runs, their events and the questions about them, without asyncio."""

import os
import signal
import sys
import threading
import unittest

import convoy
from support import ENV, TWO_FILES, AsyncScribe, Case, Made, git, one_task, run_python, write


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

    def test_output_that_nobody_read_is_told_before_the_end(self):
        def execute(request):
            request.output("one line\n")
            write(request)

        run = self.engine(Made(execute)).start(one_task())
        run.wait()
        live = [event for event in run if "_event_id" not in event]
        self.assertEqual([event["type"] for event in live], ["lagged", "run_ended"])
        self.assertEqual(live[0]["lost"], 1)

    def test_what_keeps_the_branch_from_moving_is_a_warning(self):
        (self.repository / "one.txt").write_text("of a person, not tracked\n")
        engine = self.engine()
        run = engine.start(one_task())
        events = list(run)
        for result in (run.wait(), engine.publish(run).wait()):
            self.assertEqual((result.status, result.view["published"]), ("done", False))
            (warning,) = result.warnings
            self.assertRegex(warning, "main .*one.txt.* publish again")
        self.assertEqual(events[-1]["warnings"], run.wait().warnings)
        (self.repository / "one.txt").unlink()
        self.assertEqual(engine.publish(run).wait().warnings, [])
        self.assertEqual((self.repository / "one.txt").read_text(), "written in Python\n")

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

    def test_ctrl_c_shows_nothing_but_itself(self):
        code = """
import convoy, os, signal, support, sys, threading
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(lambda request: request.wait_cancelled())},
                       env=support.ENV, grace=1)
run = engine.start(support.one_task())
for event in run:
    if event["type"] == "task_started":
        threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGINT)).start()
"""
        done = run_python(code, self.repository)
        self.assertIn("KeyboardInterrupt", done.stderr)
        self.assertNotIn("IndexError", done.stderr)


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

    def test_convoys_that_have_ended_are_pruned(self):
        engine = self.engine(keep_for=3600, keep_convoys=5, logs_quota=1 << 30)
        run = engine.start(TWO_FILES)
        run.wait()
        would = engine.prune(all=True, dry_run=True)
        self.assertEqual([[one["convoy_id"] for one in would["pruned"]], would["dry_run"]], [[run.id], True])
        self.assertEqual(engine.prune(older_than=3600)["pruned"], [])
        self.assertEqual(engine.prune([], older_than=0)["pruned"], [])
        kept_to = engine.last_retention()
        self.assertEqual([kept_to[what] for what in ("pruned", "kept", "dry_run")], [[], [], False])
        self.assertIsNone(self.engine().last_retention(), "nothing is to be kept to")
        report = engine.prune([run])
        self.assertEqual([len(report["pruned"]), report["pruned"][0]["status"], report["kept"]], [1, "done", []])
        self.assertEqual(engine.list(), [])
        with self.assertRaisesRegex(convoy.NotFound, "was pruned at"):
            engine.status(run)
        with self.assertRaisesRegex(convoy.InvalidArgument, "nothing says which convoys"):
            engine.prune()
        with self.assertRaises(convoy.NotFound):
            engine.prune("convoy-" + "0" * 26)

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
                    self.assertEqual(engine.accept(run, "mine", "mine", reason="by hand"), "granted")
                elif task in ("yes", "mine"):
                    self.assertEqual(engine.approve(run, task, reason="fine"), "granted")
                elif task == "no":
                    self.assertEqual(engine.reject(run, task, reason="not this"), "granted")
                    added = {"tasks": [{"id": "added", "prompt": "Write added.txt"}]}
                    self.assertEqual(engine.inject(run, added, source="test", key="k1"), "k1")
            elif event["type"] in ("request_refused", "injection_refused"):
                run.cancel()
                self.fail(str(event))
            if missing and missing <= set(types):
                missing = set()
                self.assertEqual(engine.skip(run, "never", reason="not needed"), "granted")
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
        self.assertEqual(other.pause(run.id), "granted")
        self.assertIn(engine.unpause(run.id, timeout=0), ("granted", None))
        for asked in (engine, other):
            with self.assertRaisesRegex(convoy.StateError, "does not wait for approval"):
                asked.approve(run.id, "one")
        self.assertEqual(other.cancel(run.id), "granted")
        self.assertEqual(run.wait().status, "cancelled")
        with self.assertRaises(convoy.StateError):
            other.pause(run.id)

    def test_what_nobody_can_decide_waits_for_the_next_engine(self):
        engine = self.engine()
        run = engine.start(one_task(approve="before_run"))
        for event in run:
            if event["type"] == "task_awaiting_approval":
                run.interrupt()
        with self.assertRaisesRegex(convoy.StateError, "tree"):
            engine.approve(run, "one", tree="f" * 40)
        self.assertEqual(engine.approve(run, "one"), "waits")
        self.assertEqual(engine.resume(run).wait().status, "done")

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
        with self.assertRaises(convoy.InvalidSpec) as caught:
            engine.start({"name": "x", "version": 9, "tasks": [{"id": "a"}]})
        for problem in caught.exception.problems:
            self.assertIn(f"{problem['path']}: {problem['message']}", str(caught.exception))
        self.assertIn("2 errors:", str(caught.exception))
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

    def test_an_argument_of_the_wrong_kind_is_named(self):
        for options, said in (
            ({"secrets": "longsecretvalue12"}, "secrets is a list of texts, not str"),
            ({"secrets": {"token": "longsecretvalue12"}}, "secrets is a list of texts, not dict"),
            ({"secrets": [3]}, "each of secrets is a text, not int"),
            ({"grace": "x"}, "grace is a number of seconds, not str"),
            ({"grace": -1}, "grace is a number of seconds, not -1"),
            ({"store": "mysql"}, 'store is "sqlite" or "memory", not \'mysql\''),
            ({"loop": 3}, "loop is an event loop, not int"),
            ({"state_dir": 3}, "state_dir is a path, not int"),
            ({"create": "no"}, "create is True or False, not str"),
            ({"keep_for": "x"}, "keep_for is a number of seconds, not str"),
            ({"keep_convoys": -1}, "keep_convoys is 0 or more, not -1"),
            ({"keep_convoys": 1 << 32}, "keep_convoys is 4294967295 or less, not 4294967296"),
            ({"keep_convoys": True}, "keep_convoys is a whole number, not bool"),
            ({"logs_quota": 1.5}, "logs_quota is a whole number, not float"),
            ({"logs_quota": 1 << 64}, "logs_quota is 18446744073709551615 or less"),
            ({"grace": float("inf")}, "grace is a number of seconds, not inf"),
            ({"grace": float("nan")}, "grace is a number of seconds, not nan"),
            ({"adapter_limits": {"scribe": {"max_concurrent": 1 << 32}}}, "max_concurrent in adapter_limits.'scribe'. is 4294967295 or less"),
            ({"adapter_limits": {"scribe": {"stagger_ms": 0.5}}}, "stagger_ms in adapter_limits.'scribe'. is a whole number, not float"),
            ({"profile_limits": {"scribe": {"max_concurrent": -1}}}, "max_concurrent in profile_limits.'scribe'. is 0 or more, not -1"),
            ({"state_dir": ""}, "state_dir is empty: name a folder"),
            ({"log_level": "loud"}, "the log_level 'loud' is none: error, warn, info"),
            ({"gates": [1]}, "gates is a mapping of names to functions, not list"),
            ({"hooks": {3: write}}, "the name of a hook is a text, not int"),
            ({"adapter": Made(write, capabilities="resume")}, "capabilities is a list of texts, not str"),
        ):
            with self.subTest(said), self.assertRaisesRegex((TypeError, ValueError), said):
                self.engine(**options)
        with self.assertRaisesRegex(TypeError, "adapters is a mapping of names to objects, not list"):
            convoy.Engine(self.repository, [Made(write)])
        with self.assertRaisesRegex(convoy.InvalidArgument, "secret 2 of 2 has fewer than 4 bytes"):
            self.engine(secrets=["long enough", "abc"])
        engine = self.engine()
        nobody = "convoy-" + "0" * 26
        for call, said in (
            (lambda: engine.approve(nobody, 3), "task is a text, not int"),
            (lambda: engine.approve(nobody, "a", tree=3), "tree is a text, not int"),
            (lambda: engine.skip(nobody, "a", timeout="x"), "timeout is a number of seconds, not str"),
            (lambda: engine.attempt(nobody, "a", -1), "attempt is 0 or more, not -1"),
            (lambda: engine.attempt(nobody, "a", 1 << 32), "attempt is 4294967295 or less, not 4294967296"),
            (lambda: engine.attempt(nobody, "a", (1 << 64) + 1), "attempt is 4294967295 or less"),
            (lambda: engine.attempt(nobody, "a", True), "attempt is a whole number, not bool"),
            (lambda: engine.attempt(nobody, "a", float("nan")), "attempt is a whole number, not float"),
            (lambda: engine.log_path(nobody, "a", 1 << 32), "attempt is 4294967295 or less, not 4294967296"),
            (lambda: engine.log_path(nobody, "a", 1.0), "attempt is a whole number, not float"),
            (lambda: list(engine.events(nobody, after=1 << 64)), "after is 18446744073709551615 or less"),
            (lambda: list(engine.events(nobody, after=False)), "after is a whole number, not bool"),
            (lambda: engine.start(TWO_FILES, concurrency=0), "concurrency is 1 or more, not 0"),
            (lambda: engine.start(TWO_FILES, concurrency=True), "concurrency is a whole number, not bool"),
            (lambda: engine.start(TWO_FILES, concurrency=1 << 32), "concurrency is 4294967295 or less"),
            (lambda: engine.plan(TWO_FILES, max_injected=1 << 32), "max_injected is 4294967295 or less"),
            (lambda: engine.plan(TWO_FILES, max_injected=-1), "max_injected is 0 or more, not -1"),
            (lambda: engine.prune(older_than=float("nan")), "older_than is a number of seconds, not nan"),
            (lambda: engine.prune(older_than=True), "older_than is a number of seconds, not bool"),
            (lambda: engine.cancel(nobody, timeout=1e12), "timeout is a number of seconds, not 1000000000000.0"),
            (lambda: engine.log_path(nobody, "a", 1.5), "attempt is a whole number, not float"),
            (lambda: list(engine.events(nobody, after=-1)), "after is 0 or more, not -1"),
            (lambda: list(engine.events(nobody, after="x")), "after is a whole number, not str"),
            (lambda: engine.start(TWO_FILES, branch=3), "branch is a text, not int"),
            (lambda: engine.start(TWO_FILES, concurrency="many"), "concurrency is a whole number or .auto., not 'many'"),
            (lambda: engine.start("convoy.yml"), "looks like the path of a convoy file"),
            (lambda: engine.start(self.folder / "convoy.yml"), "read_text"),
            (lambda: engine.prune(3), "a convoy is given as its id or a run of it, not int"),
            (lambda: engine.prune(older_than="x"), "older_than is a number of seconds, not str"),
            (lambda: engine.prune(all="yes"), "all is True or False, not str"),
            (lambda: engine.retry(nobody, "one"), "tasks is a list of texts, not str"),
            (lambda: convoy.check({"name": float("nan")}), "float values"),
        ):
            with self.subTest(said), self.assertRaisesRegex((TypeError, ValueError), said):
                call()

        def execute(request):
            for call, said in (
                (lambda: request.output(3), "data is a text or bytes, not int"),
                (lambda: request.started(-1), "pid is 1 or more, not -1"),
                (lambda: request.started(0), "pid is 1 or more, not 0"),
                (lambda: request.started((1 << 32) + 7), "pid is 4294967295 or less, not 4294967303"),
                (lambda: request.started(7.0), "pid is a whole number, not float"),
                (lambda: request.session(3), "session is a text, not int"),
            ):
                with self.assertRaisesRegex((TypeError, ValueError), said):
                    call()
            request.output(bytearray(b"bytes\n"))
            write(request)

        run = self.engine(Made(execute)).start(one_task())
        self.assertEqual(run.wait().status, "done", self.failure(engine, run) if run.wait().status != "done" else "")
        for event_id, said in (
            (-1, "event_id is 0 or more"),
            (1 << 64, "event_id is 18446744073709551615 or less"),
            (True, "event_id is a whole number, not bool"),
            (0.5, "event_id is a whole number, not float"),
        ):
            with self.subTest(said), self.assertRaisesRegex((TypeError, ValueError), said):
                run.events_after(event_id)
        # The largest that there can be is no mistake, and there is nothing behind it.
        self.assertEqual(list(engine.events(nobody, after=(1 << 64) - 1)), [])
        with self.assertRaises(convoy.NotFound):
            engine.log_path(nobody, "a", (1 << 32) - 1)

    def test_a_closed_engine_is_not_entered(self):
        engine = self.engine()
        engine.shutdown()
        with self.assertRaises(convoy.Closed):
            with engine:
                pass

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
        with convoy.Engine(self.repository, env=ENV) as without:
            with self.assertRaisesRegex(convoy.AgentError, "unknown adapter scribe: .* given to the engine"):
                without.resume()
            (entry,) = without.list()
            self.assertEqual((entry["unfinished"], without.dead_letters(entry["id"])), (True, []))
        engine = self.engine()
        self.assertEqual(engine.resume().wait().status, "done")


if __name__ == "__main__":
    unittest.main()
