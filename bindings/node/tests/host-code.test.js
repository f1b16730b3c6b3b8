'use strict';
// Gates, prompt sources and hooks written in JavaScript, formulas and limits.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');

const { Engine, checkFormula } = require('convoy');
const { ENV, TOOLS, engine, eventsOf, git, node, oneTask, program, repository, scribe } = require('./support');

/** Runs one task to its end. */
async function runOf(made, task) {
  const run = await made.start(oneTask({ max_retries: 1, ...task }));
  const events = await eventsOf(run);
  return { events, task: (await made.status(run)).tasks[0] };
}

test('a gate fails and passes, and the agent is told why', async (t) => {
  const asked = [];
  const prompts = [];
  const adapter = {
    execute({ cwd, prompt }) {
      prompts.push(prompt);
      fs.writeFileSync(path.join(cwd, 'one.txt'), `${prompts.length}\n`);
    },
  };
  const judge = (request, { signal }) => {
    assert.equal(signal.aborted, false);
    assert.deepEqual([request.name, request.task, request.changed_files], ['judge', 'one', ['one.txt']]);
    asked.push(fs.readFileSync(path.join(request.worktree, 'one.txt'), 'utf8'));
    return asked.length === 1 ? 'a 1 is too little' : undefined;
  };
  const made = await engine(t, adapter, { gates: { judge } });
  const { task } = await runOf(made, { host_gates: ['judge'] });
  assert.equal(task.status, 'done');
  assert.deepEqual(asked, ['1\n', '2\n']);
  assert.match(prompts[1], /a 1 is too little/);
});

test('what code throws is in the events, and a hook adds to the work', async (t) => {
  const judge = async () => {
    throw new RangeError('no verdict today');
  };
  const stamp = async ({ worktree, on, task }) => fs.promises.writeFile(path.join(worktree, 'hook.txt'), `${on} ${task}\n`);
  const made = await engine(t, scribe, { gates: { judge, odd: () => 7 }, hooks: { stamp } });
  const hooks = [{ type: 'host', name: 'stamp' }];
  const failed = await runOf(made, { max_retries: 0, host_gates: ['judge'], hooks });
  assert.match(failed.task.failure.message, /RangeError: no verdict today/);
  assert.ok(failed.events.some((event) => JSON.stringify(event).includes('RangeError: no verdict today')));
  const odd = await runOf(made, { max_retries: 0, host_gates: ['odd'] });
  assert.match(odd.task.failure.message, /TypeError: a gate or hook answers with/);
  assert.equal((await runOf(made, { hooks })).task.status, 'done');
  assert.equal(git(made.repo, 'show', 'main:hook.txt'), 'post_task one\n');
});

test('a prompt source gives instructions, data or nothing', async (t) => {
  const prompts = [];
  const adapter = ({ cwd, prompt }) => {
    prompts.push(prompt);
    fs.writeFileSync(path.join(cwd, 'one.txt'), 'x\n');
  };
  const sources = { style: () => 'Be brief.', news: ({ task }) => ({ part: 'data', text: `${task}: rain` }), none: () => null };
  const made = await engine(t, { execute: adapter }, { prompts: sources });
  assert.equal((await runOf(made, { host_prompts: ['style', 'news', 'none'] })).task.status, 'done');
  assert.match(prompts[0], /Be brief\.[^]*one: rain/);
});

test('a gate that does not answer is told to stop', async (t) => {
  let told;
  const stopped = new Promise((resolve) => (told = resolve));
  const judge = (_request, { signal }) => new Promise(() => signal.addEventListener('abort', told));
  const made = await engine(t, scribe, { gates: { judge } });
  const { task } = await runOf(made, { max_retries: 0, host_gates: ['judge'], gate_timeout: 1 });
  assert.match(task.failure.message, /limit of 1 s/);
  await stopped;
});

test('names, functions and limits that cannot be are refused', async (t) => {
  const made = await engine(t, scribe);
  await assert.rejects(made.start(oneTask({ host_gates: ['judge'] })), { code: 'CONVOY_UNSUPPORTED', message: /no gate `judge`/ });
  assert.throws(() => new Engine({ repo: made.repo, gates: { judge: 'no' } }), TypeError);
  assert.throws(() => new Engine({ repo: made.repo, adapterLimits: { x: { max: 1 } } }), TypeError);
  const limited = { repo: made.repo, adapterLimits: { nobody: { maxConcurrent: 1 } } };
  await assert.rejects(Engine.open(limited), { code: 'CONVOY_INVALID_ARGUMENT', message: /nobody/ });
  await (await Engine.open({ repo: made.repo, profileLimits: { mine: { staggerMs: 5 } } })).close();
});

test('options that there are not, or that are of another kind, are named', async (t) => {
  const made = await engine(t, scribe);
  const { repo } = made;
  for (const [given, said] of [
    [{ repo, timeout: 3 }, /no option "timeout"/],
    [{ repo, adapters: null }, /"adapters" is an object/],
    [{ repo, gates: null }, /"gates" must be an object, not null/],
    [{ repo, graceMs: '3' }, /"graceMs" must be a whole number from 0, not "3"/],
    [{ repo, graceMs: -1 }, /"graceMs"/],
    [{ repo, env: { A: 1 } }, /"env" must be an object of texts/],
    [{ repo, store: 'disk' }, /"store" must be 'sqlite' or 'memory'/],
    [{ repo, create: 0 }, /"create" must be true or false/],
    [{ repo, adapterLimits: { w: 3 } }, /options are an object, not 3/],
    [repo, /options are an object/],
  ]) {
    assert.throws(() => new Engine(given), { message: said });
  }
  const id = `convoy-${'0'.repeat(26)}`;
  for (const [call, said] of [
    [() => made.start(oneTask(), { concurency: 2 }), /no option "concurency"/],
    [() => made.start(oneTask(), null), /options are an object, not null/],
    [() => made.start(oneTask(), { signal: {} }), /"signal" must be an AbortSignal/],
    [() => made.pause(id, { timeout: 3 }), /no option "timeout": the options are timeoutMs/],
    [() => made.approve(id, 'one', { commit: 'x' }), /no option "commit"/],
    [() => made.reject(id, 'one', { reason: 3 }), /"reason" must be a text, not 3/],
    [() => made.inject(id, '{}', { name: 'x' }), /no option "name"/],
  ]) {
    await assert.rejects(call(), { name: 'TypeError', message: said });
  }
});

test('a formula becomes a convoy file', async (t) => {
  const tasks = [{ id: 'a', prompt: 'Write {{NAME}}.txt' }];
  const formula = { name: 'page', variables: { NAME: { required: true } }, spec: { name: 'page', version: 1, adapter: 'scribe', tasks } };
  const missing = await checkFormula(formula);
  assert.deepEqual([missing.ok, missing.spec], [false, null]);
  const filled = await checkFormula(formula, { NAME: 'cart' });
  assert.equal(filled.ok, true);
  const made = await engine(t, scribe);
  assert.equal((await (await made.start(filled.spec)).result).view.status, 'done');
  assert.equal(git(made.repo, 'show', 'main:cart.txt'), 'written in JavaScript\n');
});

test('the engine tells a function what happens, without secrets', async (t) => {
  const records = [];
  let ended;
  const over = new Promise((resolve) => (ended = resolve));
  const adapter = {
    async execute() {
      throw new Error('the key is correct horse battery');
    },
  };
  const log = (record) => {
    records.push(record);
    if (record.event === 'convoy_failed') ended();
  };
  const made = await engine(t, adapter, { log, logLevel: 'debug', secrets: ['correct horse battery'] });
  const run = await made.start(oneTask());
  await run.result;
  await over;
  const [failed] = records.filter(({ event }) => event === 'task_failed');
  assert.deepEqual([failed.level, failed.convoy, failed.task, failed.attempt], ['warn', run.id, 'one', 1]);
  assert.match(failed.message, /Error: the key is \[REDACTED/);
  assert.ok(!JSON.stringify(records).includes('correct horse'));
  assert.throws(() => new Engine({ repo: made.repo, log: 'stderr' }), TypeError);
  assert.throws(() => new Engine({ repo: made.repo, log, logLevel: 'loud' }), TypeError);
});

test('a function that gets records and fails is told of once, and ends nothing', async (t) => {
  const text = `
    const { Engine } = require('convoy');
    const fs = require('node:fs');
    const adapters = { scribe: ({ cwd }) => fs.writeFileSync(cwd + '/a.txt', 'a') };
    let told = 0;
    const throws = () => { told += 1; throw new RangeError('no room'); };
    const rejects = async () => { told += 1; throw new RangeError('no room, later'); };
    const odd = () => ({ get then() { told += 1; throw new RangeError('no promise'); } });
    async function main() {
      for (const log of [throws, rejects, odd]) {
        const engine = await Engine.open({ repo: process.argv[2], adapters, log, logLevel: 'trace' });
        const run = await engine.start(${JSON.stringify(oneTask())});
        console.log((await run.result).view.status);
        while (told < 3) await new Promise(setImmediate);
        told = 0;
        await engine.close();
      }
    }
    main();`;
  const ended = await node([program(t, 'program.js', text), repository(t)]);
  assert.deepEqual([ended.code, ended.stdout], [0, 'done\ndone\ndone\n'], ended.stderr);
  const warnings = ended.stderr.split('\n').filter((line) => line.includes('[CONVOY_LOG]'));
  assert.equal(warnings.length, 3, ended.stderr);
  assert.match(warnings[0], /ConvoyWarning: the log function of an engine failed .*: RangeError: no room$/);
  assert.match(warnings[1], /RangeError: no room, later$/);
});

test('what a slow function misses is counted', async (t) => {
  const repo = repository(t);
  // Another process says when everything has happened of which this one is told meanwhile.
  const waits = program(
    t,
    'waits.js',
    `const { Engine } = require('convoy');
     Engine.open({ repo: process.argv[2], create: false }).then(async (engine) => {
       const convoy = process.argv[3];
       while ((await engine.status(convoy)).status !== 'cancelled' || (await engine.isRunning(convoy)));
       await engine.close();
     });`,
  );
  const records = [];
  let [cancelling, ended] = [undefined, undefined];
  const over = new Promise((resolve) => (ended = resolve));
  const log = (record) => {
    records.push(record);
    if (record.message === 'the convoy is done') ended();
    if (cancelling === undefined) return;
    const id = cancelling;
    cancelling = undefined;
    execFileSync(process.execPath, [waits, repo, id], { env: { ...ENV, ...TOOLS } });
  };
  const made = await engine(t, scribe, { repo, log, logLevel: 'debug' });
  const first = { id: 'first', prompt: 'p', approve: 'before_run' };
  const others = Array.from({ length: 1500 }, (_, at) => ({ id: `t${at}`, prompt: 'p', depends_on: ['first'] }));
  const run = await made.start({ name: 'many', version: 1, adapter: 'scribe', tasks: [first, ...others] });
  cancelling = run.id;
  run.cancel();
  let recorded = 0;
  for await (const event of run) recorded += event._event_id === undefined ? 0 : 1;
  await (await made.start(oneTask())).result;
  await over;
  const lost = records.map((record) => record.lost ?? 0).filter((number) => number > 0);
  assert.ok(lost.length > 0, `${records.length} records of ${recorded} events`);
  const told = records.length - lost.length + lost.reduce((sum, number) => sum + number, 0);
  assert.ok(told >= recorded, `${told} records of ${recorded} events`);
});
