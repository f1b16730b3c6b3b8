"""Gates, prompt sources and hooks written in Python, formulas and limits."""

import asyncio
import logging
import threading

import convoy
from support import Case, Made, Scribe, git, one_task, write


class HostCode(Case):
    def run_of(self, engine, **task):
        run = engine.start(one_task(**{"max_retries": 1, **task}))
        events = list(run)
        return events, engine.status(run)["tasks"][0]

    def test_a_gate_fails_and_passes_and_the_agent_is_told_why(self):
        asked, prompts = [], []

        def execute(request):
            prompts.append(request.prompt)
            (request.cwd / "one.txt").write_text(f"{len(prompts)}\n")

        def judge(request):
            self.assertEqual((request.name, request.task, request.agent), ("judge", "one", "developer"))
            self.assertEqual(request.changed_files, ["one.txt"])
            self.assertIn(f"+{len(asked) + 1}", request.diff)
            asked.append((request.attempt_no, (request.worktree / "one.txt").read_text(), request.diff_truncated))
            return "a 1 is too little" if len(asked) == 1 else None

        engine = self.engine(Made(execute), gates={"judge": judge})
        events, task = self.run_of(engine, host_gates=["judge"])
        self.assertEqual(task["status"], "done", events)
        self.assertEqual(asked, [(1, "1\n", False), (2, "2\n", False)])
        self.assertIn("a 1 is too little", prompts[1])

    def test_code_is_asynchronous_on_the_loop_and_what_it_raises_is_in_the_events(self):
        loops = []

        async def judge(request):
            loops.append(asyncio.get_running_loop())
            await asyncio.sleep(0)
            raise LookupError("no verdict today")

        async def hook(request):
            loops.append(asyncio.get_running_loop())
            (request.worktree / "hook.txt").write_text(f"{request.on} {request.task}\n")

        engine = self.engine(gates={"judge": judge}, hooks={"stamp": hook})
        hooks = [{"type": "host", "name": "stamp"}]
        events, task = self.run_of(engine, max_retries=0, host_gates=["judge"], hooks=hooks)
        self.assertIn("LookupError: no verdict today", task["failure"]["message"])
        self.assertTrue(any("LookupError: no verdict today" in str(event) for event in events))
        self.assertEqual(len(set(loops)), 1)
        _, task = self.run_of(engine, hooks=hooks)
        self.assertEqual(task["status"], "done")
        self.assertEqual(git(self.repository, "show", "main:hook.txt"), "post_task one\n")

    def test_a_prompt_source_gives_instructions_data_or_nothing(self):
        prompts = []

        def execute(request):
            prompts.append(request.prompt)
            (request.cwd / "one.txt").write_text("x\n")

        sources = {"style": lambda request: "Be brief.", "news": lambda request: ("data", f"{request.task}: rain"), "none": lambda _: None}
        engine = self.engine(Made(execute), prompts=sources)
        _, task = self.run_of(engine, host_prompts=["style", "news", "none"])
        self.assertEqual(task["status"], "done")
        self.assertIn("Be brief.", prompts[0])
        self.assertIn("one: rain", prompts[0])
        _, task = self.run_of(self.engine(prompts={"style": lambda _: 7}), max_retries=0, host_prompts=["style"])
        self.assertIn("TypeError: a prompt source returns", task["failure"]["message"])

    def test_a_gate_that_does_not_answer_is_told_to_stop(self):
        told = threading.Event()

        def judge(request):
            if request.wait_cancelled(60):
                told.set()

        engine = self.engine(gates={"judge": judge})
        _, task = self.run_of(engine, max_retries=0, host_gates=["judge"], gate_timeout=1)
        self.assertIn("limit of 1 s", task["failure"]["message"])
        self.assertTrue(told.wait(60))

    def test_names_that_nobody_registered_and_what_is_no_function_are_refused(self):
        with self.assertRaisesRegex(convoy.Unsupported, "no gate `judge`"):
            self.engine().start(one_task(host_gates=["judge"]))
        with self.assertRaisesRegex(TypeError, "is a function of a request"):
            self.engine(hooks={"stamp": "date"})

    def test_limits_are_passed_on(self):
        with self.assertRaisesRegex(convoy.EngineError, "nobody"):
            self.engine(adapter_limits={"nobody": {"max_concurrent": 1}})
        at_once, most, lock = [0], [0], threading.Lock()

        def execute(request):
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            write(request)
            with lock:
                at_once[0] -= 1

        engine = self.engine(Made(execute), adapter_limits={"scribe": {"max_concurrent": 1}})
        tasks = [{"id": name, "prompt": f"Write {name}.txt"} for name in ("a", "b", "c")]
        run = engine.start({"name": "three", "version": 1, "adapter": "scribe", "concurrency": 3, "tasks": tasks})
        self.assertEqual((run.wait().status, most[0]), ("done", 1))

    def test_a_formula_becomes_a_convoy_file(self):
        formula = {
            "name": "page",
            "variables": {"NAME": {"required": True}},
            "spec": {"name": "page", "version": 1, "adapter": "scribe", "tasks": [{"id": "a", "prompt": "Write {{NAME}}.txt"}]},
        }
        missing = convoy.check_formula(formula)
        self.assertEqual((missing["ok"], missing["spec"]), (False, None))
        filled = convoy.check_formula(formula, {"NAME": "cart"})
        self.assertTrue(filled["ok"], filled)
        self.assertEqual(self.engine(Scribe()).start(filled["spec"]).wait().status, "done")
        self.assertIn("cart.txt", git(self.repository, "ls-tree", "--name-only", "main"))


class Log(Case):
    def test_the_engine_tells_a_function_without_secrets(self):
        def execute(request):
            raise OSError("the key is correct horse battery")

        records, ended = [], threading.Event()

        def log(record):
            records.append(record)
            if record.get("event") == "convoy_failed":
                ended.set()

        engine = self.engine(Made(execute), log=log, log_level="debug", secrets=["correct horse battery"])
        run = engine.start(one_task())
        run.wait()
        with self.assertRaises(convoy.StateError):
            engine.approve(run, "one")
        self.assertTrue(ended.wait(60))
        failed = [record for record in records if record.get("event") == "task_failed"]
        self.assertEqual([(record["level"], record["task"], record["attempt"]) for record in failed], [("warn", "one", 1)])
        self.assertIn("OSError: the key is [REDACTED", failed[0]["message"])
        self.assertNotIn("correct horse", str(records))

    def test_the_engine_tells_the_logger_of_python(self):
        records, ended = [], threading.Event()

        class Keep(logging.Handler):
            def emit(self, record):
                records.append(record)
                if "the convoy is done" in record.getMessage():
                    ended.set()

        handler, logger = Keep(), logging.getLogger("convoy")
        logger.addHandler(handler)
        self.addCleanup(logger.removeHandler, handler)
        logger.setLevel(logging.INFO)
        self.addCleanup(logger.setLevel, logging.NOTSET)
        run = self.engine(log=True).start(one_task())
        self.assertTrue(ended.wait(60))
        done = next(record for record in records if "the task is done" in record.getMessage())
        self.assertEqual((done.levelno, done.convoy["task"], done.convoy["convoy"]), (logging.INFO, "one", run.id))
        self.assertIn(f"convoy={run.id}", done.getMessage())

    def test_what_a_slow_function_misses_is_counted(self):
        records, go_on, all_told = [], threading.Event(), threading.Event()

        def log(record):
            go_on.wait()
            records.append(record)
            if record["message"] == "the convoy is done":
                all_told.set()

        def execute(request):
            request.wait_cancelled() if request.task == "first" else write(request)

        engine = self.engine(Made(execute), log=log, log_level="debug")
        tasks = [{"id": f"t{number}", "prompt": "p", "depends_on": ["first"]} for number in range(1500)]
        run = engine.start({"name": "many", "version": 1, "adapter": "scribe", "tasks": [{"id": "first", "prompt": "p"}, *tasks]})
        run.cancel()
        self.assertEqual(run.wait().status, "cancelled")
        recorded = len(list(engine.events(run)))
        go_on.set()
        engine.start(one_task()).wait()
        self.assertTrue(all_told.wait(60), records[-3:])
        lost = [record["lost"] for record in records if "lost" in record]
        self.assertTrue(lost, f"{len(records)} records of {recorded} events")
        self.assertGreaterEqual(len(records) - len(lost) + sum(lost), recorded)

    def test_what_cannot_be_a_log_is_refused(self):
        with self.assertRaises(ValueError):
            self.engine(log=True, log_level="loud")
        with self.assertRaises(TypeError):
            self.engine(log="stderr")
