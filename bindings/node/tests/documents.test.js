'use strict';
// The programs of the README and the examples do what is said of them.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { git, node, program, repository } = require('./support');

/** Where the sources of the package are: the tests may run on an installed copy of it. */
const SOURCES = process.env.CONVOY_NODE_SOURCES ?? path.join(__dirname, '..');
const EXAMPLES = path.join(SOURCES, '..', '..', 'examples');

test('the example writes the transcript that all languages write', async (t) => {
  const text = fs.readFileSync(path.join(EXAMPLES, 'embed-node', 'embed.js'), 'utf8');
  const repo = repository(t);
  const ended = await node([program(t, 'embed.js', text), repo]);
  assert.deepEqual([ended.stderr, ended.code], ['', 0]);
  assert.equal(ended.stdout, fs.readFileSync(path.join(EXAMPLES, 'embed-transcript.txt'), 'utf8'));
  assert.equal(git(repo, 'ls-tree', '--name-only', 'main'), 'one.txt\ntwo.txt\n');
});

test('the programs of the README run', async (t) => {
  const readme = fs.readFileSync(path.join(SOURCES, 'README.md'), 'utf8');
  const programs = [...readme.matchAll(/<!-- run by a test -->\n```js\n([^]*?)```/g)].map(([, text]) => text);
  assert.equal(programs.length, 3);
  for (const text of programs) {
    const name = /^import /m.test(text) ? 'program.mjs' : 'program.cjs';
    const ended = await node([program(t, name, text), repository(t)]);
    assert.deepEqual([ended.stderr, ended.code], ['', 0]);
    assert.ok(ended.stdout.endsWith('done\n'), ended.stdout);
  }
});

test('the lines of the README for signals end agents that are programs', async (t) => {
  const readme = fs.readFileSync(path.join(SOURCES, 'README.md'), 'utf8');
  const [, lines] = readme.match(/^ +```js\n( +for \(const signal [^]*?)```/m);
  const task = { id: 'a', prompt: 'p', adapter: 'sleeper' };
  const spec = { name: 'n', version: 1, adapters: { sleeper: { command: ['sh', '-c', 'echo $$; exec sleep 600'] } }, tasks: [task] };
  const text = `
    const { Engine } = require('convoy');
    async function main() {
      const engine = await Engine.open({ repo: process.argv[2] });
      ${lines}
      const run = await engine.start(${JSON.stringify(spec)});
      for await (const event of run) {
        if (event.type !== 'task_output') continue;
        console.log(event.text.trim());
        process.kill(process.pid, process.argv[3]);
      }
    }
    main();`;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const ended = await node([program(t, 'program.js', text), repository(t), signal]);
    assert.deepEqual([ended.code, ended.signal, ended.stderr], [1, null, '']);
    const agent = Number(ended.stdout);
    assert.ok(agent > 1, ended.stdout);
    assert.throws(() => process.kill(agent, 0), { code: 'ESRCH' }, 'the agent has ended');
  }
});
