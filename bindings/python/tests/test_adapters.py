"""Code of the host that does what it should not, and reviewers and merge queues in Python."""

import asyncio
import functools
import subprocess
import threading
import typing

import convoy
from support import ENV, TWO_FILES, Case, Made, git, make_repository, one_task, write


def reason(engine, run):
    """Why the only task failed, as type and message."""
    failure = engine.status(run)["tasks"][0]["failure"]
    return failure["type"] if "type" in failure else failure["failure_type"], failure["message"]


class Failing(Case):
    def fails(self, execute, **task):
        """Runs a task that fails; why, and the log."""
        engine = self.engine(Made(execute))
        run = engine.start(one_task(**task))
        self.assertEqual(run.wait(120).status, "failed")
        return (*reason(engine, run), engine.log_path(run, "one").read_text())

    def test_an_exception_keeps_its_type_and_message_and_leaves_its_traceback_in_the_log(self):
        def execute(request):
            try:
                {}["model"]
            except KeyError as error:
                raise ValueError("no model \udc80 given") from error

        async def execute_async(request):
            execute(request)

        for adapter in (execute, execute_async):
            kind, message, log = self.fails(adapter)
            self.assertEqual(kind, "error")
            self.assertEqual(message, "ValueError: no model ? given, caused by KeyError: 'model'")
            self.assertIn("Traceback (most recent call last)", log)
            self.assertIn("in execute", log)

    def test_whatever_is_raised_is_an_answer(self):
        async def leave(request):
            raise SystemExit(3)

        def interrupt(request):
            raise KeyboardInterrupt

        async def cancel_itself(request):
            raise asyncio.CancelledError

        async def wait_for_what_is_cancelled(request):
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task

        async def takes_nothing():
            pass

        for execute, said in (
            (leave, "SystemExit: 3"),
            (interrupt, "KeyboardInterrupt"),
            (cancel_itself, "CancelledError"),
            (wait_for_what_is_cancelled, "CancelledError"),
            (takes_nothing, "TypeError: "),
        ):
            with self.subTest(said, execute=execute):
                self.assertIn(said, self.fails(execute)[1])

    def test_nonsense_is_an_answer(self):
        circle = {}
        circle["circle"] = circle
        for answer, said in (
            (7, "TypeError: an adapter returns None, a text or a mapping, not int"),
            ({"outcome": "fine"}, "fine"),
            ({"outcome": "succeeded", "colour": "red"}, "colour"),
            ({"outcome": "failed"}, "failure"),
            ({"outcome": "cancelled"}, "nobody had cancelled it"),
            ({"outcome": "succeeded", "usage": {"cost_usd": float("nan")}}, "NaN"),
            ({"outcome": object()}, "TypeError: "),
            (circle, "ValueError: "),
            ({"outcome": "succeeded", "result_text": "\udc80"}, "ValueError: "),
        ):
            with self.subTest(said):
                kind, message, _log = self.fails(lambda request, answer=answer: answer)
                self.assertEqual(kind, "error")
                self.assertIn(said, message)

    def test_whoever_is_not_cancelled_has_failed_by_saying_so(self):
        asked = []

        def execute(request):
            asked.append(request)
            raise convoy.Cancelled("as I like")

        self.assertEqual(self.fails(execute)[:2], ("error", "Cancelled: as I like"))
        self.assertEqual(len(asked), 1, "it was not tried again")

    def test_a_failure_of_no_type_keeps_what_the_agent_said(self):
        def execute(request):
            raise convoy.AgentFailed("no quota", "zork")

        kind, message, _log = self.fails(execute)
        self.assertEqual(kind, "error")
        self.assertTrue(message.startswith("no quota (its answer is wrong, too: ") and "zork" in message, message)

    def test_a_failure_that_only_the_engine_can_know_is_refused_and_the_others_are_named(self):
        for kind in ("gate:make", "review-blocked", "merge-conflict"):
            def execute(request, kind=kind):
                raise convoy.AgentFailed("as I like", kind)

            found, message, _log = self.fails(execute)
            self.assertEqual(found, "error")
            self.assertIn(f"there is no word `{kind}`", message)
            for allowed in typing.get_args(convoy.FailureType):
                self.assertIn(f"`{allowed}`", message)

    def test_plain_code_that_waits_for_its_own_run_is_told_at_once(self):
        began = threading.Event()
        runs = []

        def wait(request):
            began.wait(60)
            runs[0].wait()

        def read(request):
            began.wait(60)
            for _event in runs[0]:
                pass

        for execute, said in ((wait, "run.wait() would wait"), (read, "`for event in run` would wait")):
            began.clear()
            engine = self.engine(Made(execute))
            runs[:] = [engine.start(one_task())]
            began.set()
            runs[0].wait()
            failure = self.failure(engine, runs[0])
            self.assertEqual(failure["failure_type"], "error")
            self.assertIn(f"RuntimeError: {said} for a run that waits for this very code", failure["message"])

    def test_plain_code_may_wait_for_another_run(self):
        engine = self.engine()
        other = engine.start(one_task())

        def execute(request):
            self.assertEqual(other.wait().status, "done")
            write(request)

        waits = convoy.Engine(make_repository(self.folder / "other"), {"scribe": Made(execute)}, env=ENV)
        self.addCleanup(waits.shutdown)
        self.assertEqual(waits.start(one_task()).wait().status, "done")

    def test_an_adapter_says_how_it_failed(self):
        def execute(request):
            raise convoy.AgentFailed("the model refuses", "refused", output_tail="no.", exit_code=4, usage={"input": 3})

        self.assertEqual(self.fails(execute)[:2], ("refused", "the model refuses"))

    def test_an_adapter_that_never_returns_is_left_behind_after_its_time(self):
        ended = threading.Event()
        self.addCleanup(ended.set)

        def never(request):
            ended.wait()

        async def never_async(request):
            while not ended.is_set():
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    await asyncio.to_thread(ended.wait)

        for execute in (never, never_async):
            kind, message, _log = self.fails(execute, timeout="1s")
            self.assertEqual(kind, "timeout", message)
        ended.set()


class Cancelled(Case):
    def cancelled(self, execute):
        """Cancels a run while the adapter works."""
        engine = self.engine(Made(execute), grace=60)
        run = engine.start(one_task())
        for event in run:
            if event["type"] == "task_output":
                run.cancel()
        self.assertEqual(run.wait().status, "cancelled")

    def test_a_coroutine_is_cancelled_once_and_may_clean_up(self):
        seen = []

        async def execute(request):
            request.output("ready\n")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.wait_for(asyncio.shield(asyncio.create_task(asyncio.to_thread(seen.append, "clean"))), 60)
                seen.append(request.cancelled)
                raise

        self.cancelled(execute)
        self.assertEqual(seen, ["clean", True])

    def test_plain_code_asks_waits_or_is_called(self):
        def by_asking(request):
            request.output("ready\n")
            while not request.wait_cancelled(0.01):
                pass
            request.check()

        def by_waiting(request):
            request.output("ready\n")
            request.wait_cancelled()
            raise OSError("whatever comes of being cancelled")

        def by_process(request):
            process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=request.env, cwd=request.cwd)
            request.on_cancel(process.kill)
            request.output("ready\n")
            process.wait()
            process.stdin.close()
            request.on_cancel(functools.partial(setattr, request, "told", True))
            assert request.told
            raise subprocess.CalledProcessError(process.returncode, "cat")

        for execute in (by_asking, by_waiting, by_process):
            with self.subTest(execute.__name__):
                self.cancelled(execute)

    def interrupted(self, execute):
        """Interrupts a run while the adapter works, and takes it up again; how often it was asked."""
        asked = []

        def first(request):
            asked.append(request.attempt)
            if len(asked) > 1:
                return write(request)
            (request.cwd / "half.txt").write_text("half of the work\n")
            request.output("ready\n")
            return execute(request)

        engine = self.engine(Made(first), grace=60)
        run = engine.start(one_task())
        for event in run:
            if event["type"] == "task_output":
                run.interrupt()
        self.assertEqual(run.wait().ended, "interrupted")
        again = engine.resume()
        return [event["type"] for event in again], again.wait().status, asked

    def test_whoever_just_returns_after_it_was_interrupted_has_not_done_its_work(self):
        def by_loop(request):
            while not request.cancelled:
                request.wait_cancelled(0.01)

        def by_waiting(request):
            request.wait_cancelled()
            return "that is how far I came"

        async def by_coroutine(request):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return None

        def by_failing(request):
            request.wait_cancelled()
            raise convoy.AgentFailed("the program was killed")

        for execute in (by_loop, by_waiting, by_coroutine, by_failing):
            with self.subTest(execute.__name__):
                events, status, asked = self.interrupted(execute)
                self.assertEqual((status, len(asked)), ("done", 2), events)
                self.assertNotIn("half.txt", git(self.repository, "ls-tree", "--name-only", "main"))
                # The next one begins with another repository.
                self.repository = make_repository(self.folder / execute.__name__)

    def test_whoever_says_that_it_succeeded_after_it_was_interrupted_is_believed(self):
        def execute(request):
            request.wait_cancelled()
            return {"outcome": "succeeded"}

        _events, status, asked = self.interrupted(execute)
        self.assertEqual((status, len(asked)), ("done", 1))
        self.assertIn("half.txt", git(self.repository, "ls-tree", "--name-only", "main"))

    def test_a_callback_that_raises_does_no_harm(self):
        def broken():
            raise OSError("broken callback")

        called = []

        def execute(request):
            with self.assertRaisesRegex(TypeError, "callback"):
                request.on_cancel(3)
            request.on_cancel(broken)
            request.on_cancel(functools.partial(called.append, "the next"))
            request.output("ready\n")
            request.wait_cancelled()

        import contextlib
        import io

        with contextlib.redirect_stderr(io.StringIO()) as shown:
            self.cancelled(execute)
        self.assertIn("broken callback", shown.getvalue())
        self.assertEqual(called, ["the next"])


class ManyAtOnce(Case):
    def test_one_adapter_works_for_several_runs_at_once(self):
        for kind in ("plain", "async"):
            with self.subTest(kind):
                # Nobody goes on before all are there: three runs, two agents each.
                there = threading.Barrier(6, timeout=120)

                def execute(request):
                    there.wait()
                    write(request)

                async def execute_async(request):
                    await asyncio.to_thread(there.wait)
                    write(request)

                engine = self.engine(Made(execute if kind == "plain" else execute_async))
                tasks = [{"id": f"t{n}", "prompt": f"Write {kind}{n}.txt"} for n in range(2)]
                spec = {"name": "wide", "version": 1, "adapter": "scribe", "concurrency": 2, "tasks": tasks}
                runs = [engine.start(spec) for _ in range(3)]
                self.assertEqual([run.wait().status for run in runs], ["done"] * 3)
                self.assertEqual(len({run.id for run in runs}), 3)

    def test_answers_and_output_come_from_foreign_threads(self):
        def execute(request):
            def work():
                for number in range(100):
                    request.output(f"{threading.current_thread().name} {number}\n")

            threads = [threading.Thread(target=work, name=f"foreign-{n}") for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            write(request)

        engine = self.engine(Made(execute))
        run = engine.start(one_task())
        self.assertEqual(run.wait().status, "done")
        lines = engine.log_path(run, "one").read_text()
        for n in range(4):
            self.assertEqual(lines.count(f"foreign-{n} "), 100)

    def test_events_of_a_run_are_read_by_several_threads_once_each(self):
        engine = self.engine()
        run = engine.start(TWO_FILES)
        read = []
        threads = [threading.Thread(target=lambda: read.extend(run)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        numbers = sorted(event["_event_id"] for event in read if "_event_id" in event)
        self.assertEqual(numbers, [event["_event_id"] for event in engine.events(run)])


class Judge:
    """A reviewer that blocks the first work of every task."""

    name = "judge"
    model = "eyes"

    def __init__(self):
        self.seen = []

    async def review(self, request):
        self.seen.append(request)
        if len(self.seen) == 1:
            return "block", "write it better"
        return "pass"


class Reviewing(Case):
    def test_a_reviewer_blocks_and_passes(self):
        judge = Judge()
        engine = self.engine(reviewer=judge)
        run = engine.start(one_task(review="fast", max_retries=1))
        verdicts = [event for event in run if event["type"] == "review_verdict"]
        self.assertEqual(run.wait().status, "done")
        self.assertEqual(len(judge.seen), 2)
        request = judge.seen[0]
        self.assertEqual((request.task, request.level, request.paths), ("one", "fast", ["one.txt"]))
        self.assertIn("+written in Python", request.diff)
        self.assertFalse(request.diff_truncated)
        self.assertTrue(request.nonce and request.prompt and request.worker_id and request.timeout and request.env)
        self.assertNotEqual(request.base, request.commit)
        self.assertTrue(request.checkout.is_absolute())
        self.assertIn("write it better", str(verdicts[0]))

    def test_a_reviewer_that_raises_or_talks_nonsense_is_no_judgement(self):
        def broken(request):
            raise OSError("blind")

        for review, said in ((broken, "OSError: blind"), (lambda request: "yes", "yes"), (lambda request: 7, "int")):
            with self.subTest(said):
                engine = self.engine(reviewer=Made(None, review=review, name="judge"))
                run = engine.start(one_task(review="fast"))
                events = list(run)
                (verdict,) = (event for event in events if event["type"] == "review_verdict")
                self.assertIs(verdict["could_not"], True)
                log = engine.log_path(run, "one").with_suffix(".review-1.log").read_text()
                self.assertIn("Traceback (most recent call last)" if review is broken else said, log)
                self.assertIn("no judgement: ", log)
                self.assertNotEqual(run.wait().view["totals"]["unreviewed"] + run.wait().view["totals"]["failed"], 0)
                self.assertIn(said, str(events))


class Queue:
    """A merge queue over git, which is what a host's own one may be."""

    def __init__(self, repository):
        self.repository = repository
        self.steps = []

    def prepare(self, request):
        self.steps.append("prepare")
        tree = git(self.repository, "merge-tree", "--write-tree", request.tip, request.work).strip()
        parents = ("-p", request.tip, "-p", request.work)
        commit = git(self.repository, "commit-tree", tree, *parents, "-m", request.message)
        return {"outcome": "prepared", "commit": commit.strip()}

    async def advance(self, request):
        self.steps.append("advance")
        assert request.fence >= 1
        git(self.repository, "update-ref", request.integration_ref, request.commit, request.onto)
        return {"outcome": "advanced"}

    def settle(self, request):
        self.steps.append("settle")
        return {"outcome": "not-landed"}


class Landing(Case):
    def test_a_merge_queue_lands_work(self):
        queue = Queue(self.repository)
        engine = self.engine(merge_queue=queue)
        self.assertEqual(engine.start(TWO_FILES).wait().status, "done")
        self.assertEqual(queue.steps, ["prepare", "advance"] * 2)
        self.assertIn("two.txt", git(self.repository, "ls-tree", "--name-only", "main"))

    def test_a_merge_queue_that_raises_loses_nothing(self):
        class Broken(Queue):
            def prepare(self, request):
                if len(self.steps) == 0:
                    self.steps.append("broken")
                    raise OSError("no network")
                return super().prepare(request)

        queue = Broken(self.repository)
        engine = self.engine(merge_queue=queue)
        run = engine.start(one_task(max_retries=1))
        try:
            status = run.wait().status
        except convoy.Error as error:
            self.assertIn("OSError: no network", str(error))
            status = engine.resume(run.id).wait().status
        self.assertEqual(status, "done")
        self.assertEqual(queue.steps[0], "broken")


if __name__ == "__main__":
    import unittest

    unittest.main()
