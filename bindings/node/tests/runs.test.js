'use strict';
// Runs: events, results, signals, requests, errors.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test } = require('node:test');

const { ConvoyError, Engine, Run, check, version } = require('convoy');
const { ENV, TWO_FILES, during, endless, engine, eventsOf, folder, git, oneTask, repository, scribe, write } = require('./support');

test('a convoy runs, and its events and its result are read at the same time', async (t) => {
  const made = await engine(t);
  const run = await made.start(TWO_FILES);
  assert.ok(run instanceof Run);
  const [events, result] = await Promise.all([eventsOf(run), run.result]);
  assert.equal(result.ended, 'finished');
  assert.equal(result.view.status, 'done');
  assert.equal(await run.result, result);
  assert.equal(run.done, true);
  assert.equal(events[0].type, 'convoy_started');
  assert.equal(events[0]._event_id, run.firstEventId);
  assert.equal(events.at(-1).type, 'run_ended');
  const numbers = events.filter((event) => '_event_id' in event).map((event) => event._event_id);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b));
  const stored = [];
  for await (const event of made.events(run)) stored.push(event._event_id);
  assert.deepEqual(stored.slice(0, numbers.length), numbers);
  assert.deepEqual(await eventsOf(run), [], 'each event is given once');
});

test('events are read late, left off, and gone on with', async (t) => {
  const made = await engine(t);
  const run = await made.start(TWO_FILES);
  await run.result;
  const types = [];
  for await (const event of run) {
    types.push(event.type);
    if (types.length === 3) break;
  }
  types.push(...(await eventsOf(run)).map((event) => event.type));
  const live = types.filter((type) => type !== 'task_output' && type !== 'run_ended');
  const stored = [];
  for await (const event of made.events(run.id)) stored.push(event.type);
  assert.deepEqual(live, stored);
});

test('several readers of one run get different events, and all of them end', async (t) => {
  const made = await engine(t);
  const run = await made.start(TWO_FILES);
  const read = await Promise.all([eventsOf(run), eventsOf(run), eventsOf(run)]);
  const numbers = read.flat().filter((event) => '_event_id' in event).map((event) => event._event_id);
  assert.equal(new Set(numbers).size, numbers.length);
  const stored = [];
  for await (const event of made.events(run)) stored.push(event._event_id);
  assert.deepEqual(numbers.sort((a, b) => a - b), stored);
  assert.equal(read.flat().filter((event) => event.type === 'run_ended').length, 1);
});

test('a run can give the events of the convoy from its start', async (t) => {
  const adapter = endless();
  const made = await engine(t, adapter);
  const first = await made.start(oneTask());
  await during(first, adapter.begun);
  first.interrupt();
  assert.equal((await first.result).ended, 'interrupted');
  const other = await engine(t, scribe, { repo: made.repo });
  const run = await other.resume();
  assert.equal(run.id, first.id);
  const events = await eventsOf(run.eventsAfter(0));
  assert.equal(events[0].type, 'convoy_started');
  assert.ok(run.firstEventId > events[0]._event_id);
  assert.throws(() => run.eventsAfter(0), { name: 'ConvoyError', code: 'CONVOY_STATE' });
  assert.equal((await run.result).view.status, 'done');
});

test('a signal that is aborted before the start starts nothing', async (t) => {
  const made = await engine(t);
  const reason = new Error('changed my mind');
  await assert.rejects(made.start(TWO_FILES, { signal: AbortSignal.abort(reason) }), reason);
  assert.deepEqual(await made.list(), []);
});

test('a signal that is aborted later cancels the run', async (t) => {
  const adapter = endless();
  const made = await engine(t, adapter);
  const controller = new AbortController();
  const run = await made.start(oneTask(), { signal: controller.signal });
  await during(run, adapter.begun);
  controller.abort();
  assert.equal((await run.result).view.status, 'cancelled');
  assert.equal(adapter.ended, 1);
  const after = new AbortController();
  const whole = await (await engine(t)).start(oneTask(), { signal: after.signal });
  await whole.result;
  after.abort();
  assert.equal((await whole.result).view.status, 'done');
});

test('a signal that is aborted while the run begins cancels it', async (t) => {
  const made = await engine(t, endless());
  const controller = new AbortController();
  const starting = made.start(oneTask(), { signal: controller.signal });
  // Not before `start` has looked at the signal: its first step is done at once.
  controller.abort();
  const run = await starting;
  assert.equal((await run.result).view.status, 'cancelled');
});

test('a run pauses and goes on', async (t) => {
  let go;
  const may = new Promise((resolve) => (go = resolve));
  const made = await engine(t, async (request) => {
    await may;
    write(request);
  });
  const run = await made.start(TWO_FILES);
  run.pause();
  const types = [];
  for await (const event of run) {
    types.push(event.type);
    if (event.type === 'convoy_paused') {
      go();
      run.unpause();
    }
  }
  assert.ok(types.includes('convoy_paused'));
  assert.equal((await run.result).view.status, 'done');
});

test('errors have name, code, status, chain and details', async (t) => {
  const made = await engine(t);
  const error = await made.start('{name: x, version: 1, tusks: []}').catch((caught) => caught);
  assert.ok(error instanceof ConvoyError && error instanceof Error);
  assert.deepEqual([error.name, error.code, error.status], ['ConvoyError', 'CONVOY_INVALID_SPEC', 101]);
  assert.ok(error.chain.includes(error.message));
  assert.ok(error.details.some((problem) => problem.message.includes('tusks')), JSON.stringify(error.details));
  await assert.rejects(made.status('convoy-01m835f52sdjyn825s2an9wh80'), { code: 'CONVOY_NOT_FOUND', status: 104 });
  await assert.rejects(made.resume(), { code: 'CONVOY_NOTHING_TO_RESUME' });
  await assert.rejects(made.start(TWO_FILES, { colour: 1 }), { name: 'TypeError', message: /colour.*concurrency/ });
  await assert.rejects(made.start(TWO_FILES, { concurrency: 'much' }), { code: 'CONVOY_BAD_JSON' });
  await assert.rejects(made.start(7), TypeError);
  await assert.rejects(made.approve('x', 7), TypeError);
  await assert.rejects(made.attempt('x', 'one', -1), RangeError);
});

test('an engine that cannot be built says so at the first call and when opened', async (t) => {
  const given = { repo: folder(t), env: ENV };
  await assert.rejects(Engine.open(given), { code: 'CONVOY_REPOSITORY' });
  const made = new Engine(given);
  await assert.rejects(made.list(), { code: 'CONVOY_REPOSITORY' });
  await made.close();
  assert.throws(() => new Engine(), TypeError);
  assert.throws(() => new Engine({ ...given, adaptors: {} }), /adaptors.*adapters/);
  assert.throws(() => new Engine({ ...given, adapters: { scribe: {} } }), /"scribe" has no method execute/);
  assert.throws(() => new Engine({ ...given, adapters: [scribe] }), /must have a name/);
  assert.throws(() => new Engine({ ...given, reviewRunner: {} }), /no method review/);
  assert.throws(() => new Engine({ ...given, mergeQueue: { prepare() {} } }), /no method advance/);
  await assert.rejects(Engine.open({ ...given, adapters: { 'Not A Name': scribe } }), ConvoyError);
});

test('a file is checked and planned without running', async (t) => {
  const { ok, problems } = await check('{name: x, version: 1}');
  assert.equal(ok, false);
  assert.ok(problems[0].line >= 1);
  const made = await engine(t);
  assert.equal((await made.check(TWO_FILES)).ok, true);
  const plan = await made.plan(TWO_FILES, { concurrency: 3 });
  assert.deepEqual([plan.concurrency, plan.tasks.map((task) => task.id)], [3, ['one', 'two']]);
  assert.match(version, /^\d+\.\d+\.\d+/);
});

test('the engine tells what it has stored', async (t) => {
  const made = await engine(t);
  const spec = oneTask({ outputs: [{ name: 'report', type: 'file', path: 'one.txt' }] });
  const run = await made.start(spec);
  await run.result;
  assert.equal((await made.list())[0].id, run.id);
  assert.equal((await made.status(run)).convoy_id, run.id);
  assert.equal(await made.isRunning(run), false);
  assert.match((await made.attempt(run, 'one')).prompt.text, /Write one\.txt/);
  assert.ok(fs.existsSync(await made.logPath(run, 'one', 1)));
  assert.ok(fs.existsSync(await made.stateDir()));
  assert.deepEqual(await made.artifact(run, 'one', 'report'), Buffer.from('written in JavaScript\n'));
  assert.deepEqual(await made.deadLetters(run), []);
  assert.deepEqual(await made.disputes(run), []);
});

test('given up tasks are tried again, or closed', async (t) => {
  let fails = true;
  const made = await engine(t, (request) => {
    if (fails) throw new Error('not today');
    write(request);
  });
  const run = await made.start(oneTask());
  await run.result;
  const [letter] = await made.deadLetters(run);
  await made.resolveDeadLetter(run, letter.dlq_id, 'seen');
  assert.equal((await made.deadLetters(run))[0].open, false);
  await assert.rejects(made.resolveDispute(run, 'none', 'seen'), { code: 'CONVOY_NOT_FOUND' });
  fails = false;
  const again = await made.retry(run, ['one']);
  assert.equal((await again.result).view.status, 'done');
  const published = await made.publish(run);
  assert.equal((await published.result).ended, 'finished');
});

test('people ask a convoy that runs', async (t) => {
  const adapter = endless();
  const made = await engine(t, adapter);
  const run = await made.start(TWO_FILES);
  await during(run, adapter.begun);
  assert.equal(await made.isRunning(run), true);
  const key = await made.inject(run, '{tasks: [{id: three, prompt: Write three.txt}]}', { source: 'a test' });
  const seen = [];
  for await (const event of run) {
    seen.push(event.type);
    if (event.type === 'tasks_added') {
      assert.equal(event.key ?? event.request_key ?? JSON.stringify(event).includes(key), event.key ?? true);
      await made.skip(run, 'two', { reason: 'not needed' });
    }
    if (event.type === 'task_skipped' && event.task_id === 'two') await made.pause(run);
    if (event.type === 'convoy_paused') await made.unpause(run);
    if (event.type === 'convoy_resumed' || event.type === 'convoy_unpaused') await made.cancel(run);
  }
  assert.equal((await run.result).view.status, 'cancelled', seen.join(' '));
  await assert.rejects(made.approve(run, 'one', { tree: 'f'.repeat(40) }), { code: 'CONVOY_STATE' });
  await assert.rejects(made.reject(run, 'one'), { code: 'CONVOY_STATE' });
  await assert.rejects(made.accept(run, 'one', 'main', { reason: 'x' }), ConvoyError);
});

test('closing interrupts what runs, twice does nothing, and events are read to their end', async (t) => {
  const adapter = endless();
  const made = await engine(t, adapter);
  const run = await made.start(oneTask());
  await during(run, adapter.begun);
  const closing = made.close();
  assert.equal(made.close(), closing);
  assert.equal(made.closed, true);
  await closing;
  await made.close();
  assert.equal((await run.result).ended, 'interrupted');
  assert.equal((await eventsOf(run)).at(-1).type, 'run_ended');
  await assert.rejects(made.list(), { name: 'ConvoyError', code: 'CONVOY_CLOSED' });
  const again = await engine(t, scribe, { repo: made.repo });
  assert.equal((await (await again.resume(run)).result).view.status, 'done');
  assert.equal(git(made.repo, 'ls-tree', '--name-only', 'main'), 'one.txt\n');
});
