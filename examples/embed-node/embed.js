// Two tasks on a git repository, done one after the other by an agent that is itself JavaScript code.
//
//     node embed.js REPOSITORY
'use strict';

const { writeFile } = require('node:fs/promises');
const path = require('node:path');

const { Engine } = require('convoy');

const CONVOY = `{name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [
    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]}`;

/** Writes the file that the last word of the prompt names. */
const scribe = {
  async execute(request) {
    await writeFile(path.join(request.cwd, request.prompt.trim().split(/\s+/).at(-1)), request.prompt);
  },
};

async function main(repo) {
  const engine = await Engine.open({ repo, adapters: { scribe } });
  try {
    const run = await engine.start(CONVOY);
    for await (const event of run) {
      // What is stored, without the publishing of the branch, which goes on beside the tasks.
      if ('_event_id' in event && !event.type.startsWith('branch_')) {
        console.log(`${event.type} ${event.task_id ?? ''}`.trimEnd());
      }
    }
    const { view } = await run.result;
    console.log(`${view.status}: ${view.totals.done} of ${view.totals.total} tasks on ${view.branch}`);
  } finally {
    await engine.close();
  }
}

if (process.argv.length !== 3) {
  console.error('usage: node embed.js REPOSITORY');
  process.exitCode = 2;
} else {
  main(process.argv[2]);
}
