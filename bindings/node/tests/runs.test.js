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

test('output that nobody read is told, and so is what keeps the branch from moving', async (t) => {
  const made = await engine(t, async (request, { output }) => {
    await output('one line\n');
    write(request);
  });
  const inTheWay = `${made.repo}/one.txt`;
  fs.writeFileSync(inTheWay, 'of a person, not tracked\n');
  const run = await made.start(oneTask());
  const { view, warnings } = await run.result;
  assert.deepEqual([view.status, view.published, warnings.length], ['done', false, 1]);
  assert.match(warnings[0], /main .*one\.txt.* publish again/);
  const live = (await eventsOf(run)).filter((event) => !('_event_id' in event));
  assert.deepEqual(live.map((event) => [event.type, event.lost ?? event.warnings]), [['lagged', 1], ['run_ended', warnings]]);
  fs.rmSync(inTheWay);
  assert.deepEqual((await (await made.publish(run)).result).warnings, []);
  assert.equal(fs.readFileSync(inTheWay, 'utf8'), 'written in JavaScript\n');
});

test('a convoy whose adapter is missing is left as it is', async (t) => {
  const adapter = endless();
  const made = await engine(t, adapter);
  const run = await made.start(oneTask());
  await during(run, adapter.begun);
  run.interrupt();
  await run.result;
  const without = await Engine.open({ repo: made.repo, env: ENV });
  t.after(() => without.close());
  await assert.rejects(without.resume(run), { code: 'CONVOY_AGENT', chain: /unknown adapter scribe: .* given to the engine/ });
  assert.deepEqual(await without.deadLetters(run), []);
  const other = await engine(t, scribe, { repo: made.repo });
  assert.equal((await (await other.resume()).result).view.status, 'done');
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
  for (const wrong of [-1, 0.5, NaN, 2 ** 53]) {
    assert.throws(() => run.eventsAfter(wrong), { name: 'RangeError', message: `eventId must be a whole number from 0, not ${wrong}` });
  }
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
  await assert.rejects(made.start(7), TypeError);
  await assert.rejects(made.approve('x', 7), TypeError);
  await assert.rejects(made.start('my.convoy.yml'), { name: 'TypeError', message: /looks like the path/ });
  await assert.rejects(made.retry('x', 'one'), { name: 'TypeError', message: /tasks must be a list of texts/ });
  const id = `convoy-${'0'.repeat(26)}`;
  const eventsAfter = async (after) => {
    for await (const event of made.events(id, after)) assert.fail(event.type);
  };
  const U32 = 'a whole number from 0 to 4294967295';
  for (const [call, name, message] of [
    [made.attempt(id, 'one', -1), 'RangeError', `attempt must be ${U32}, not -1`],
    [made.attempt(id, 'one', 1.5), 'RangeError', `attempt must be ${U32}, not 1.5`],
    [made.attempt(id, 'one', NaN), 'RangeError', `attempt must be ${U32}, not NaN`],
    [made.attempt(id, 'one', 2 ** 32), 'RangeError', `attempt must be ${U32}, not 4294967296`],
    [made.attempt(id, 'one', true), 'TypeError', `attempt must be ${U32}, not true`],
    [made.attempt(id, 'one', 1n), 'TypeError', `attempt must be ${U32}, not 1`],
    [made.attempt(id, 'one', null), 'TypeError', `attempt must be ${U32}, not null`],
    [made.logPath(id, 'one', 2 ** 32 + 1), 'RangeError', `attempt must be ${U32}, not 4294967297`],
    [made.logPath(id, 'one', 0.5), 'RangeError', `attempt must be ${U32}, not 0.5`],
    [made.logPath(id, 'one', Infinity), 'RangeError', `attempt must be ${U32}, not Infinity`],
    [made.logPath(id, 'one', '1'), 'TypeError', `attempt must be ${U32}, not "1"`],
    [eventsAfter(-1), 'RangeError', 'after must be a whole number from 0, not -1'],
    [eventsAfter(0.5), 'RangeError', 'after must be a whole number from 0, not 0.5'],
    [eventsAfter(NaN), 'RangeError', 'after must be a whole number from 0, not NaN'],
    [eventsAfter(2 ** 64), 'RangeError', 'after must be a whole number from 0, not 18446744073709552000'],
    [eventsAfter('1'), 'TypeError', 'after must be a whole number from 0, not "1"'],
    [made.start(TWO_FILES, { concurrency: 0 }), 'RangeError', /"concurrency" must be 'auto' or a whole number from 1 to \d+, not 0/],
    [made.start(TWO_FILES, { concurrency: 1.5 }), 'RangeError', /"concurrency" .* not 1.5/],
    [made.start(TWO_FILES, { concurrency: 'many' }), 'TypeError', /"concurrency" .* not "many"/],
    [made.plan(TWO_FILES, { maxInjected: 2 ** 32 }), 'RangeError', /"maxInjected" .* not 4294967296/],
    [made.prune({ olderThanMs: NaN }), 'RangeError', /"olderThanMs" .* not NaN/],
    [made.cancel(id, { timeoutMs: 0.5 }), 'RangeError', /"timeoutMs" .* not 0.5/],
    [made.cancel(id, { timeoutMs: 2 ** 53 }), 'RangeError', /"timeoutMs" .* not 9007199254740992/],
    [Engine.open({ repo: made.repo, keepConvoys: 2 ** 32 }), 'RangeError', /"keepConvoys" .* not 4294967296/],
    [Engine.open({ repo: made.repo, graceMs: Infinity }), 'RangeError', /"graceMs" .* not Infinity/],
    [Engine.open({ repo: made.repo, adapterLimits: { x: { maxConcurrent: 2 ** 32 } } }), 'RangeError', /"maxConcurrent" .* not 4294967296/],
  ]) {
    await assert.rejects(call, { name, message });
  }
  // The largest that there can be are no mistakes.
  await eventsAfter(Number.MAX_SAFE_INTEGER);
  await assert.rejects(made.logPath(id, 'one', 2 ** 32 - 1), { code: 'CONVOY_NOT_FOUND' });
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
  for (const secrets of ['longsecretvalue12', { token: 'longsecretvalue12' }, [3]]) {
    assert.throws(() => new Engine({ ...given, secrets }), /"secrets" must be a list of texts/);
  }
  const { gates, env, stateDir, logLevel } = { gates: [1], env: { A: 1 }, stateDir: '', logLevel: 'loud' };
  assert.throws(() => new Engine({ ...given, gates }), { name: 'TypeError', message: 'the option "gates" must be an object, not an array' });
  assert.throws(() => new Engine({ ...given, env }), { name: 'TypeError', message: 'the option "env" must be an object of texts, but "A" is 1' });
  assert.throws(() => new Engine({ ...given, stateDir }), { name: 'TypeError', message: 'the option "stateDir" must be the path of a folder, not ""' });
  assert.throws(() => new Engine({ ...given, logLevel }), { name: 'TypeError', message: /one of error, warn/ });
  const short = { repo: repository(t), env: ENV, secrets: ['abc'] };
  await assert.rejects(Engine.open(short), { code: 'CONVOY_INVALID_ARGUMENT', message: /fewer than 4 bytes/ });
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
      assert.equal(await made.skip(run, 'two', { reason: 'not needed' }), 'granted');
      await assert.rejects(made.approve(run, 'one'), { code: 'CONVOY_STATE', message: /does not wait for approval/ });
      assert.ok(['granted', undefined].includes(await made.unpause(run, { timeoutMs: 0 })));
      await assert.rejects(made.unpause(run, { timeoutMs: -1 }), RangeError);
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

test('convoys that have ended are pruned', async (t) => {
  const made = await engine(t);
  const run = await made.start(oneTask());
  await run.result;
  const would = await made.prune({ all: true, dryRun: true });
  assert.deepEqual([would.pruned.map((one) => one.convoy_id), would.dry_run], [[run.id], true]);
  assert.equal((await made.prune({ olderThanMs: 3600000 })).pruned.length, 0);
  assert.deepEqual((await made.prune({ convoys: [], olderThanMs: 0 })).pruned, []);
  const { pruned, kept } = await made.prune(run);
  assert.deepEqual([pruned.length, pruned[0].status, pruned[0].refs > 0, kept], [1, 'done', true, []]);
  assert.deepEqual(await made.list(), []);
  await assert.rejects(made.status(run), { code: 'CONVOY_NOT_FOUND', message: /was pruned at/ });
  await assert.rejects(made.prune({}), { code: 'CONVOY_INVALID_ARGUMENT' });
  await assert.rejects(made.prune({ convoys: 'all' }), TypeError);
  await assert.rejects(made.prune({ older: 1 }), TypeError);
  const keeps = await engine(t, scribe, { repo: made.repo, keepForMs: 1, keepConvoys: 1, logsQuotaBytes: 1, gitBackend: 'reference' });
  assert.deepEqual(await keeps.list(), []);
  const { pruned: gone, dry_run: only } = await keeps.lastRetention();
  assert.deepEqual([gone, only, await made.lastRetention()], [[], false, null]);
  await assert.rejects(Engine.open({ repo: made.repo, keepConvoys: -1 }), RangeError);
});

test('the record of a convoy is written to a new file', async (t) => {
  const made = await engine(t);
  const run = await made.start(oneTask());
  await run.result;
  const file = `${made.repo}.record`;
  const number = await made.export(run, file);
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n').map(JSON.parse);
  assert.deepEqual([number, lines.at(-1).type], [lines.length, 'convoy_finished']);
  await assert.rejects(made.export(run, file), ConvoyError);
  await assert.rejects(made.export(run), TypeError);
});
