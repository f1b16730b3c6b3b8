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
