"""Garbage, forks, the end of the interpreter, objects that are used too late, and how the library is found."""

import gc
import os
import shutil
import subprocess
import sys
import threading
import unittest
import weakref
from pathlib import Path

import convoy
from convoy import _lifetime, _library, _version
from support import ENV, TWO_FILES, Case, Made, Scribe, one_task, run_python, write

BEGIN = """
import asyncio, convoy, os, signal, support, sys, threading
"""
#: For programs whose code never ends: it is given up sooner.
SOON = """
import convoy._lifetime
convoy._lifetime._LAST_CALLS = 1
"""


class Garbage(Case):
    def test_a_run_that_nobody_refers_to_goes_on(self):
        engine = self.engine()
        reference = weakref.ref(engine.start(TWO_FILES))
        gc.collect()
        engine.start({**one_task(), "name": "another"}).wait()
        run = reference()
        self.assertIsNotNone(run, "its engine keeps it until it has ended")
        self.assertEqual(run.wait().status, "done")
        del run
        # The next one lets go of those that have ended.
        engine.start({**one_task(), "name": "third"}).wait()
        gc.collect()
        self.assertIsNone(reference())

    def test_an_engine_that_nobody_refers_to_is_shut_down(self):
        cancelled = threading.Event()

        class Waits:
            def execute(self, request):
                request.output("ready\n")
                request.wait_cancelled()
                cancelled.set()

        # A circle, as hosts make them. (What runs is referred to by its thread, and so is what it refers to.)
        circle = Scribe()
        engine = convoy.Engine(self.repository, {"scribe": Waits(), "circle": circle}, env=ENV)
        circle.engine = engine
        run = engine.start(one_task())
        for event in run:
            if event["type"] == "task_output":
                break
        opened, gone = engine._open, [weakref.ref(engine), weakref.ref(run)]
        del engine, run, circle, event
        # A thread that is about to end may refer to it at the moment of a collection: the next one takes it.
        collections = 0
        while not cancelled.wait(0.1) and collections < 600:
            gc.collect()
            collections += 1
        self.assertTrue(cancelled.is_set(), "it was asked to end")
        gc.collect()
        opened.close()  # Waits for the thread that does it.
        self.assertNotIn(opened.handle, _lifetime._state.open)
        gc.collect()
        self.assertEqual([reference() for reference in gone], [None, None])
        self.assertEqual(self.engine().resume().wait().status, "done")

    def test_a_run_keeps_its_engine(self):
        run = convoy.Engine(self.repository, {"scribe": Scribe()}, env=ENV).start(TWO_FILES)
        gc.collect()
        self.assertEqual(run.wait().status, "done")
        run.engine.shutdown()

    def test_nothing_is_left_of_what_is_gone(self):
        from convoy import _host, _log
        from convoy import run as runs

        gc.collect()
        before = (len(_lifetime._state.open), len(_lifetime._state.runs))
        for _ in range(5):
            with convoy.Engine(self.repository, {"scribe": Scribe()}, env=ENV, log=lambda _record: None) as engine:
                self.assertEqual(list(engine.start(one_task()))[-1]["ended"], "finished")
        del engine
        gc.collect()
        self.assertEqual((len(_lifetime._state.open), len(_lifetime._state.runs)), before)
        with _lifetime._state.changed:
            state = _lifetime._state
            self.assertTrue(state.changed.wait_for(lambda: state.inside == 0 and state.telling == 0, 60))
        self.assertEqual((_host._calls, _log._records, runs._wakers), ({}, {}, {}))


class TooLate(Case):
    def test_a_closed_engine_says_so(self):
        engine = self.engine()
        run = engine.start(TWO_FILES)
        engine.shutdown()
        engine.shutdown()
        self.assertTrue(engine.closed)
        for use in (engine.list, engine.resume, lambda: engine.start(TWO_FILES), lambda: engine.pause(run)):
            with self.assertRaisesRegex(convoy.Closed, "shut down"):
                use()
        self.assertEqual(list(run)[-1]["type"], "run_ended")
        self.assertEqual(run.wait().ended, "interrupted")
        run.cancel()
        with self.assertRaisesRegex(convoy.Closed, "shut down"):
            with engine:
                engine.list()

    def test_an_engine_is_shut_down_while_its_merge_queue_hangs(self):
        begun, go_on = threading.Event(), threading.Event()
        self.addCleanup(go_on.set)

        class Never:
            def prepare(self, request):
                begun.set()
                go_on.wait()

            advance = settle = prepare

        engine = self.engine(merge_queue=Never(), grace=0.5)
        run = engine.start(one_task())
        self.assertTrue(begun.wait(60))
        engine.shutdown()
        self.assertEqual(list(run)[-1]["type"], "run_ended")
        self.assertFalse(go_on.is_set())

    def test_an_engine_is_shut_down_while_others_use_it(self):
        engine = self.engine()
        run = engine.start(TWO_FILES)
        seen = []

        def use():
            try:
                while True:
                    engine.status(run)
            except convoy.Error as error:
                seen.append(error)

        threads = [threading.Thread(target=use) for _ in range(4)] + [threading.Thread(target=lambda: list(run))]
        for thread in threads:
            thread.start()
        engine.shutdown()
        for thread in threads:
            thread.join(60)
            self.assertFalse(thread.is_alive())
        for error in seen:
            self.assertIn(error.status, (5, 110), error)


@unittest.skipUnless(hasattr(os, "fork"), "no fork here")
class Forks(Case):
    def test_a_fork_is_told_and_the_parent_goes_on(self):
        code = BEGIN + """
engine = convoy.Engine(sys.argv[1], {"scribe": support.Scribe()}, env=support.ENV)
run = engine.start(support.TWO_FILES)
sys.stdout.flush()
child = os.fork()
if child == 0:
    for use in (engine.list, lambda: engine.start(support.TWO_FILES), run.wait, run.cancel, lambda: list(run),
                lambda: asyncio.run(run._follow().__anext__()),
                lambda: convoy.Engine(sys.argv[1], env=support.ENV)):
        try:
            use()
            print("not told")
        except convoy.Forked as error:
            assert error.status == 7 and "fork" in str(error), error
    with engine:
        pass
    del run, engine
    print("child", flush=True)
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
print(run.wait().status)
print("end", flush=True)
"""
        done = run_python(code, self.repository)
        self.assertEqual((done.stdout, done.returncode), ("child\ndone\nend\n", 0), done.stderr)

    def test_a_fork_of_a_program_that_only_imported_it_can_use_it(self):
        code = BEGIN + """
child = os.fork()
if child == 0:
    with convoy.Engine(sys.argv[1], {"scribe": support.Scribe()}, env=support.ENV) as engine:
        print(engine.start(support.TWO_FILES).wait().status, flush=True)
    sys.exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
        done = run_python(code, self.repository)
        self.assertEqual((done.stdout, done.returncode), ("done\n", 0), done.stderr)

    def test_multiprocessing_works_beside_it(self):
        code = BEGIN + """
import multiprocessing
engine = convoy.Engine(sys.argv[1], {"scribe": support.Scribe()}, env=support.ENV)
run = engine.start(support.TWO_FILES)
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
print(run.wait().status)
"""
        done = run_python(code, self.repository)
        self.assertEqual((done.stdout, done.returncode), ("[1, 2]\ndone\n", 0), done.stderr)


class Exits(Case):
    def exits(self, code, *, status=0, error=""):
        done = run_python(BEGIN + code, self.repository)
        self.maxDiff = None
        self.assertEqual((done.stdout, done.returncode), ("live\n", status), done.stderr)
        self.assertIn(error, done.stderr)
        if not error:
            self.assertEqual(done.stderr, "")
        self.assertEqual(self.engine().resume().wait().status, "done")

    def test_plain_code_that_waits_is_asked_to_end(self):
        self.exits("""
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(lambda request: (request.output("ready\\n"), request.wait_cancelled(), request.check()))}, env=support.ENV)
run = engine.start(support.one_task())
next(event for event in run if event["type"] == "task_output")
print("live")
""")

    def test_plain_code_that_never_returns_does_not_keep_it(self):
        self.exits("""
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(lambda request: (request.output("ready\\n"), threading.Event().wait()))}, env=support.ENV, grace=0.5)
run = engine.start(support.one_task())
next(event for event in run if event["type"] == "task_output")
print("live")
""")

    def test_a_coroutine_on_a_loop_of_the_library_is_cancelled(self):
        self.exits("""
async def execute(request):
    request.output("ready\\n")
    await asyncio.Event().wait()
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(execute)}, env=support.ENV)
run = engine.start(support.one_task())
next(event for event in run if event["type"] == "task_output")
print("live")
""")

    def landing_exits(self, code):
        """The interpreter ends while a step of landing is not answered."""
        done = run_python(BEGIN + code, self.repository)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("live\n", "", 0))
        # The step has failed; the work is kept, and can be tried again.
        engine = self.engine()
        engine.resume().wait()
        convoy_id = engine.list()[0]["id"]
        self.assertEqual(engine.retry(convoy_id).wait().status, "done")

    def test_a_merge_queue_whose_loop_has_ended_does_not_keep_it(self):
        self.landing_exits("""
class Never:
    async def prepare(self, request):
        begun.set()
        await asyncio.Event().wait()
    advance = settle = prepare
async def main():
    global engine, begun
    begun = asyncio.Event()
    engine = convoy.Engine(sys.argv[1], {"scribe": support.Scribe()}, env=support.ENV, merge_queue=Never())
    engine.start(support.one_task())
    await begun.wait()
asyncio.run(main())
print("live")
""")

    def test_a_merge_queue_that_never_returns_does_not_keep_it(self):
        self.landing_never_returns("threading.Event().wait()")

    def test_a_merge_queue_that_is_busy_for_ever_does_not_keep_it(self):
        self.landing_never_returns("while True: pass")

    def landing_never_returns(self, how):
        self.landing_exits(SOON + f"""
begun = threading.Event()
class Never:
    def prepare(self, request):
        begun.set()
        {how}
    advance = settle = prepare
engine = convoy.Engine(sys.argv[1], {{"scribe": support.Scribe()}}, env=support.ENV, merge_queue=Never())
engine.start(support.one_task())
begun.wait()
print("live")
""")

    def test_a_merge_queue_has_time_to_answer(self):
        code = BEGIN + """
begun, answer = threading.Event(), threading.Event()
class Slow:
    def prepare(self, request):
        begun.set()
        answer.wait()
        return {"outcome": "nothing-to-land"}
    advance = settle = prepare
engine = convoy.Engine(sys.argv[1], {"scribe": support.Scribe()}, env=support.ENV, merge_queue=Slow())
run = engine.start(support.one_task())
begun.wait()
import atexit
atexit.register(answer.set)  # Before the engine is closed.
print("live")
"""
        done = run_python(code, self.repository)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("live\n", "", 0))
        told = [event for event in self.engine().events(self.engine().list()[0]["id"]) if "interpreter" in str(event)]
        self.assertEqual(told, [])

    def test_a_loop_that_was_left_open_does_not_keep_it(self):
        self.exits("""
async def execute(request):
    request.output("ready\\n")
    await asyncio.Event().wait()
async def main():
    global engine
    engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(execute)}, env=support.ENV)
    async for event in engine.start(support.one_task()):
        if event["type"] == "task_output":
            return
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
print("live")
""")

    def test_an_exception_sys_exit_and_readers_on_threads_of_all_kinds(self):
        for end, status, error in (("raise OSError('the host fails')", 1, "the host fails"), ("sys.exit(3)", 3, "")):
            with self.subTest(end):
                self.exits("""
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(lambda request: (request.output("ready\\n"), request.wait_cancelled(), request.check()))}, env=support.ENV)
run = engine.start(support.one_task())
next(event for event in run if event["type"] == "task_output")
async def follow():
    async for event in run:
        pass
async def wait():
    await run
for target in (lambda: list(run), run.wait, lambda: asyncio.run(follow()), lambda: asyncio.run(wait())):
    threading.Thread(target=target, daemon=True).start()
print("live", flush=True)
""" + end, status=status, error=error)

    def test_a_function_that_gets_records_does_not_keep_it(self):
        for how in ("threading.Event().wait()", "while True: pass"):
            with self.subTest(how):
                self.exits(SOON + f"""
hears = threading.Event()
def log(record):
    hears.set()
    {how}
engine = convoy.Engine(sys.argv[1], {{"scribe": support.Made(lambda request: (request.output("ready\\n"), request.wait_cancelled(), request.check()))}}, env=support.ENV, log=log, log_level="trace")
run = engine.start(support.one_task())
next(event for event in run if event["type"] == "task_output")
hears.wait()
print("live")
""")

    def test_what_is_told_until_then_is_told_before_it_ends(self):
        code = BEGIN + """
told = []
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(lambda request: (request.output("ready\\n"), request.wait_cancelled(), request.check()))}, env=support.ENV, log=told.append, log_level="debug")
run = engine.start(support.one_task())
next(event for event in run if event["type"] == "task_output")
import atexit, convoy._lifetime
atexit.unregister(convoy._lifetime._at_exit)
atexit.register(lambda: print("convoy_interrupted" in [record.get("event") for record in told]))
atexit.register(convoy._lifetime._at_exit)
"""
        done = run_python(code, self.repository)
        self.assertEqual((done.stdout, done.stderr, done.returncode), ("True\n", "", 0))

    def test_engines_that_were_dropped_are_waited_for(self):
        self.exits("""
import gc
engine = convoy.Engine(sys.argv[1], {"scribe": support.Made(lambda request: (request.output("ready\\n"), request.wait_cancelled(), request.check()))}, env=support.ENV)
run = engine.start(support.one_task())
next(event for event in run if event["type"] == "task_output")
del run, engine
gc.collect()
print("live")
""")


class Library(Case):
    def python(self, **env):
        path = {"PYTHONPATH": str(Path(convoy.__file__).parent.parent)}
        return subprocess.run(
            [sys.executable, "-c", "import convoy"], env={**ENV, **path, **env}, capture_output=True, text=True
        )

    def test_the_package_and_the_library_are_of_one_version(self):
        self.assertEqual(convoy.version(), _version.__version__)

    def test_a_library_that_is_missing_or_none_is_an_import_error_that_says_what_to_do(self):
        no_library = self.folder / "text.so"
        no_library.write_text("no library")
        libc = self.folder / "other.so"
        lines = Path("/proc/self/maps").read_text().splitlines()
        libc.symlink_to(next(line.split()[-1] for line in lines if "/libc.so" in line or "/libc-" in line))
        for path, said in ((self.folder / "none.so", "there is no library"), (no_library, "cannot be loaded"),
                           (libc, "cannot be loaded")):
            done = self.python(CONVOY_LIBRARY=str(path))
            self.assertEqual(done.returncode, 1)
            last = done.stderr.splitlines()[-1]
            self.assertTrue(last.startswith(f"ImportError: convoy: "), last)
            self.assertIn(str(path), last)
            self.assertIn(said, last)
            self.assertIn("CONVOY_LIBRARY", last)

    @unittest.skipUnless(shutil.which("gcc"), "gcc makes libraries of other versions")
    def test_a_library_of_another_interface_is_refused(self):
        other = self.folder / "other.so"
        for source, said in (("unsigned convoy_abi_version(void) { return 7; }", "has version 7"),
                             ("unsigned convoy_abi_version(void) { return 1; }", "older than this package")):
            subprocess.run(["gcc", "-shared", "-fPIC", "-x", "c", "-o", other, "-"], input=source, text=True, check=True)
            self.assertIn(said, self.python(CONVOY_LIBRARY=str(other)).stderr)

    def test_all_functions_of_the_header_are_declared(self):
        header = Path(__file__).parents[3] / "include/convoy.h"
        if not header.exists():
            self.skipTest("the header is not beside this package")
        import re

        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        found = set(re.findall(r"\b(convoy_\w+)\(", text))
        unused = {"convoy_run_next_event", "convoy_run_wait_event", "convoy_run_event_fd", "convoy_error_status"}
        self.assertEqual(found - unused, set(_library._FUNCTIONS) | set(_library._OTHERS))
        numbers = {number: name for name, number in re.findall(r"\b(CONVOY_[A-Z0-9_]+) = (\d+),", text)}
        for number, name in numbers.items():
            status = int(number)
            if status and not 200 <= status < 300:
                kind = convoy.errors.class_of(status)
                self.assertIsNot(kind, convoy.Error, name)
                if 100 <= status < 200:
                    self.assertIsNot(kind, convoy.EngineError, f"{name} has no class of its own")


if __name__ == "__main__":
    unittest.main()
