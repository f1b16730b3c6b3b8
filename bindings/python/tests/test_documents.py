"""The programs of the README and the examples do what they say."""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from support import ENV, Case, git, run_python

ROOT = Path(__file__).resolve().parents[3]
README = Path(__file__).parents[1] / "README.md"
EXAMPLES = ROOT / "examples"


class Readme(Case):
    def test_its_programs_run(self):
        programs = re.findall(r"<!-- run by a test -->\n```python\n(.*?)```", README.read_text(), flags=re.S)
        self.assertEqual(len(programs), 2)
        for program, files in zip(programs, (["bye.txt", "hello.txt"], ["hello.txt"])):
            done = run_python(program, self.repository)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.splitlines()[-1], "done")
            landed = git(self.repository, "ls-tree", "--name-only", "main").split()
            self.assertEqual(sorted(set(landed) - {"README.md"}), files)
            git(self.repository, "rm", "-q", *files)
            git(self.repository, "commit", "-q", "-m", "again")

    def test_it_names_every_operation(self):
        import convoy

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
