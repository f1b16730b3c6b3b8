"""What the tests share: scratch repositories, a hermetic git, convoys and adapters."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import convoy

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.invalid",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.invalid",
}

TWO_FILES = """{name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [
    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]}"""


def one_task(**more):
    """A convoy of one task that is tried once."""
    task = {"id": "one", "prompt": "Write one.txt", "max_retries": 0, **more}
    return {"name": "one task", "version": 1, "adapter": "scribe", "tasks": [task]}


class Scribe:
    """Writes the file that the last word of the prompt names."""

    def execute(self, request):
        write(request)
        return "written"


class AsyncScribe:
    """The same as a coroutine."""

    async def execute(self, request):
        write(request)
        return "written"


class Made:
    """An adapter of a function."""

    def __init__(self, execute, **attributes):
        self.execute = execute
        self.__dict__.update(attributes)


def write(request):
    """Does the work of the scribe."""
    (request.cwd / request.prompt.split()[-1]).write_text("written in Python\n")


def git(folder, *arguments):
    """Runs git, and gives what it prints."""
    done = subprocess.run(["git", *arguments], cwd=folder, env=ENV, check=True, capture_output=True, text=True)
    return done.stdout


def make_repository(folder):
    """A repository with one commit on `main`."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    (folder / "README.md").write_text("scratch\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "begin")
    return folder


def run_python(code, *arguments):
    """Runs a program of its own; it finds `convoy` and this module as this process does."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    env = {**os.environ, **ENV, "PYTHONPATH": path, "PYTHONFAULTHANDLER": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)],
        env=env, capture_output=True, text=True, timeout=300,
    )


class Case(unittest.TestCase):
    """A test with a repository of its own."""

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="convoy-python-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.repository = make_repository(self.folder / "repository")

    def engine(self, adapter=None, **options):
        """An engine, shut down at the end of the test. The grace is short where an agent does not end."""
        options.setdefault("grace", 1)
        adapters = {"scribe": adapter or Scribe()}
        engine = convoy.Engine(self.repository, adapters, env=ENV, **options)
        self.addCleanup(engine.shutdown)
        return engine

    def failure(self, engine, run):
        """Why the only task failed."""
        return engine.status(run)["tasks"][0]["failure"]
