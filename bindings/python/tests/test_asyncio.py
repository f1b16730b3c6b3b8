"""Runs in coroutines."""

import asyncio
import threading

import convoy
from support import ENV, TWO_FILES, AsyncScribe, Case, Made, Scribe, one_task, run_python, write


class Coroutines(Case):
    def make(self, adapter=None, **options):
        """An engine on the loop that runs."""
        options.setdefault("grace", 60)
        return convoy.Engine(self.repository, {"scribe": adapter or AsyncScribe()}, env=ENV, **options)

    def test_events_come_and_adapters_run_on_the_loop(self):
        threads = set()

        async def execute(request):
            threads.add(threading.get_ident())
            write(request)

        async def main():
            async with self.make(Made(execute)) as engine:
                run = await asyncio.to_thread(engine.start, TWO_FILES)
                types = [event["type"] async for event in run]
                self.assertEqual((types[0], types[-1]), ("convoy_started", "run_ended"))
                self.assertEqual([event async for event in run], [])
                self.assertEqual((await run).status, "done")
                stored = [event["type"] for event in engine.events(run)]
                self.assertEqual([type_ for type_ in types if type_ not in ("task_output", "run_ended")], stored)
            self.assertTrue(engine.closed)
            with self.assertRaises(convoy.Closed):
                engine.list()

        asyncio.run(main())
        self.assertEqual(threads, {threading.get_ident()})

    def test_awaiting_is_independent_of_reading_and_may_be_given_up(self):
        go = threading.Event()

        def execute(request):
            go.wait()
            write(request)

        async def main():
            async with self.make(Made(execute)) as engine:
                run = engine.start(one_task())
                waiting = asyncio.ensure_future(run._ended())
                await asyncio.sleep(0)
                waiting.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await waiting
                self.assertFalse(run.done)
                both = asyncio.gather(run._ended(), run._ended())
                go.set()
                first, second = await both
                self.assertEqual((first, first.status), (second, "done"))

        asyncio.run(main())

    def test_several_readers_see_every_event_once_and_all_see_the_end(self):
        async def read(run):
            return [event async for event in run]

        async def main():
            async with self.make() as engine:
                run = engine.start(TWO_FILES)
                parts = await asyncio.gather(*(read(run) for _ in range(3)))
                numbers = sorted(event["_event_id"] for part in parts for event in part if "_event_id" in event)
                self.assertEqual(numbers, [event["_event_id"] for event in engine.events(run)])

        asyncio.run(main())

    def test_a_reader_that_leaves_off_leaves_the_rest_to_others(self):
        async def leave_off(run):
            async for event in run:
                return event

        async def main():
            async with self.make() as engine:
                run = engine.start(TWO_FILES)
                rest = asyncio.ensure_future(leave_off(run))
                others = [event async for event in run]
                first = await rest
                numbers = sorted(e["_event_id"] for e in [*others, *([first] if first else [])] if "_event_id" in e)
                self.assertEqual(numbers, [event["_event_id"] for event in engine.events(run)])

        asyncio.run(main())

    def test_many_runs_share_a_loop(self):
        async def follow(engine, number):
            spec = {**one_task(), "tasks": [{"id": "one", "prompt": f"Write {number}.txt"}]}
            run = await asyncio.to_thread(engine.start, spec)
            return [event["type"] async for event in run].count("task_done")

        async def main():
            async with self.make() as engine:
                return await asyncio.gather(*(follow(engine, number) for number in range(5)))

        self.assertEqual(asyncio.run(main()), [1] * 5)

    def test_shutting_down_on_the_loop_of_the_adapters_is_refused(self):
        async def main():
            engine = self.make()
            with self.assertRaisesRegex(RuntimeError, "async with"):
                engine.shutdown()
            with self.assertRaisesRegex(RuntimeError, "async with"):
                with engine:
                    pass
            await asyncio.to_thread(engine.shutdown)
            engine.shutdown()

        asyncio.run(main())

    def test_blocking_on_the_loop_of_the_adapters_is_refused(self):
        async def main():
            async with self.make() as engine:
                run = engine.start(TWO_FILES)
                with self.assertRaisesRegex(RuntimeError, "await run"):
                    run.wait()
                with self.assertRaisesRegex(RuntimeError, "async for"):
                    list(run)
                with self.assertRaises(TimeoutError):
                    run.wait(timeout=0)
                self.assertEqual(await run, run.wait())
                self.assertEqual(list(run)[-1]["type"], "run_ended")

        asyncio.run(main())

    def test_an_engine_whose_loop_is_closed_begins_nothing(self):
        async def make(adapter):
            return self.make(adapter)

        engine = asyncio.run(make(AsyncScribe()))
        for begin in (lambda: engine.start(TWO_FILES), engine.resume, lambda: engine.retry("convoy-" + "0" * 26)):
            with self.assertRaisesRegex(RuntimeError, "loop"):
                begin()
        self.assertEqual(engine.list(), [])
        engine.shutdown()
        plain = asyncio.run(make(Scribe()))
        self.assertEqual(plain.start(TWO_FILES).wait().status, "done", "its code needs no loop")
        plain.shutdown()

    def test_code_that_turns_out_to_need_a_closed_loop_interrupts(self):
        class Hidden:
            def execute(self, request):
                return AsyncScribe().execute(request)

        async def make():
            return self.make(Hidden())

        engine = asyncio.run(make())
        run = engine.start(one_task())
        self.assertEqual(run.wait().ended, "interrupted")
        engine.shutdown()
        self.assertEqual(self.engine().resume().wait().status, "done")

    def test_leaving_the_context_interrupts_and_lets_adapters_clean_up(self):
        seen = []

        async def execute(request):
            request.output("ready\n")
            try:
                await asyncio.Event().wait()
            finally:
                seen.append(request.cancelled)

        async def main():
            async with self.make(Made(execute)) as engine:
                run = engine.start(one_task())
                async for event in run:
                    if event["type"] == "task_output":
                        break
            return [event async for event in run][-1]["ended"], (await run).ended

        self.assertEqual(asyncio.run(main()), ("interrupted", "interrupted"))
        self.assertEqual(seen, [True])
        self.assertEqual(self.engine().resume().wait().status, "done")

    def test_a_cancelled_main_coroutine_shuts_down_in_order(self):
        async def execute(request):
            request.output("ready\n")
            await asyncio.Event().wait()

        runs = []

        async def main():
            async with self.make(Made(execute)) as engine:
                runs.append(engine.start(one_task()))
                async for event in runs[0]:
                    if event["type"] == "task_output":
                        asyncio.current_task().cancel()

        with self.assertRaises(asyncio.CancelledError):
            asyncio.run(main())
        self.assertEqual(runs[0].wait(0).ended, "interrupted")

    def test_a_loop_that_ends_interrupts_the_run_instead_of_failing_its_tasks(self):
        engines = []

        async def execute(request):
            request.output("ready\n")
            await asyncio.Event().wait()

        async def main():
            engines.append(self.make(Made(execute)))
            run = engines[0].start(one_task(max_retries=3))
            async for event in run:
                if event["type"] == "task_output":
                    return run

        run = asyncio.run(main())
        self.assertEqual(run.wait(120).ended, "interrupted")
        self.assertEqual(engines[0].dead_letters(run), [])
        # The loop is closed now: nothing is begun that would run on it, and what waits on it is forgotten.
        with self.assertRaisesRegex(RuntimeError, "loop"):
            engines[0].resume()
        self.assertEqual(list(run)[-1]["ended"], "interrupted")
        engines[0].shutdown()
        self.assertEqual(self.engine().resume().wait().status, "done")

    def test_a_closed_loop_misses_its_wakes_and_another_reads_on(self):
        go = threading.Event()
        self.addCleanup(go.set)

        def execute(request):
            request.output("ready\n")
            go.wait()
            write(request)

        engine = self.engine(Made(execute))
        run = engine.start(one_task())

        async def begin():
            waiting = asyncio.ensure_future(run.__aiter__().__anext__())
            await asyncio.wait({waiting})
            asyncio.ensure_future(run._ended())
            reading = asyncio.ensure_future(read())
            while not any(event["type"] == "task_output" for event in seen):
                await asyncio.sleep(0)
            reading.cancel()
            return waiting.result()

        async def read():
            async for event in run:
                seen.append(event)

        seen = []
        first = asyncio.run(begin())
        self.assertEqual(first["type"], "convoy_started")
        go.set()
        asyncio.run(read())
        seen.append(first)
        self.assertEqual(seen[-2]["type"], "run_ended")
        numbers = sorted(event["_event_id"] for event in seen if "_event_id" in event)
        self.assertEqual(numbers, [event["_event_id"] for event in engine.events(run)])

    def test_plain_code_that_returns_a_coroutine_is_awaited_on_the_loop(self):
        class Deferred:
            def execute(self, request):
                return AsyncScribe().execute(request)

        async def main():
            async with self.make(Deferred()) as engine:
                return (await engine.start(TWO_FILES)).status

        self.assertEqual(asyncio.run(main()), "done")

    def test_a_loop_can_be_given(self):
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        seen = []

        async def execute(request):
            seen.append(asyncio.get_running_loop())
            write(request)

        try:
            engine = self.engine(Made(execute), loop=loop)
            self.assertEqual(engine.start(one_task()).wait().status, "done")
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()
        self.assertEqual(seen, [loop])

    def test_ctrl_c_in_asyncio_run_interrupts_the_run(self):
        code = """
import asyncio, convoy, os, signal, support, sys
async def execute(request):
    request.output("ready\\n")
    await asyncio.Event().wait()
async def main():
    async with convoy.Engine(sys.argv[1], {"scribe": support.Made(execute)}, env=support.ENV) as engine:
        async for event in engine.start(support.one_task()):
            if event["type"] == "task_output":
                os.kill(os.getpid(), signal.SIGINT)
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("stopped")
"""
        done = run_python(code, self.repository)
        self.assertEqual((done.stdout, done.returncode), ("stopped\n", 0), done.stderr)
        self.assertEqual(self.engine(Scribe()).resume().wait().status, "done")


if __name__ == "__main__":
    import unittest

    unittest.main()
