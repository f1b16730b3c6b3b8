"""Two tasks on a git repository, done one after the other by an agent that is itself Python code.

    python embed.py REPOSITORY
"""

import sys

import convoy

CONVOY = """{name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [
    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]}"""


class Scribe:
    """Writes the file that the last word of the prompt names."""

    def execute(self, request: convoy.AgentRequest) -> None:
        (request.cwd / request.prompt.split()[-1]).write_text(request.prompt)


def main(repository: str) -> None:
    with convoy.Engine(repository, adapters={"scribe": Scribe()}) as engine:
        run = engine.start(CONVOY)
        for event in run:
            # What is stored, without the publishing of the branch, which goes on beside the tasks.
            if "_event_id" in event and not event["type"].startswith("branch_"):
                print(f"{event['type']} {event['task_id'] or ''}".rstrip())
        view = run.wait().view
        print(f"{view['status']}: {view['totals']['done']} of {view['totals']['total']} tasks on {view['branch']}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python embed.py REPOSITORY")
    main(sys.argv[1])
