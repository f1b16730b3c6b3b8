'use strict';
// Agents, reviewers and merge queues that are code of the program.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const { test } = require('node:test');

const { AgentFailed, Engine } = require('convoy');
const { ENV, during, endless, engine, eventsOf, failure, git, oneTask, repository, scribe, write } = require('./support');

test('an adapter may be plain, asynchronous, a function, or one of a list', async (t) => {
  const repo = repository(t);
  const made = await Engine.open({
    repo,
    env: ENV,
    adapters: [
      { name: 'plain', execute: (request) => write(request) },
      { name: 'asynchronous', execute: async (request) => write(request) },
    ],
  });
  t.after(() => made.close());
  const spec = oneTask();
  spec.tasks = ['plain', 'asynchronous'].map((adapter) => ({ id: adapter, adapter, prompt: `Write ${adapter}.txt` }));
  assert.equal((await (await made.start(spec)).result).view.status, 'done');
  const other = await engine(t, write, { repo });
  assert.equal((await (await other.start(oneTask())).result).view.status, 'done');
  assert.equal(git(repo, 'ls-tree', '--name-only', 'main'), 'asynchronous.txt\none.txt\nplain.txt\n');
});

test('what an adapter throws fails the attempt with name and message', async (t) => {
  const cases = [
    [new TypeError('not a scroll', { cause: new RangeError('too long') }), 'TypeError: not a scroll, caused by RangeError: too long'],
    ['a text', 'a text'],
    [undefined, 'threw undefined'],
    [{ any: 'thing' }, '[object Object]'],
  ];
  const thrown = cases.map(([value]) => value);
  const adapter = {
    execute() {
      throw thrown.shift();
    },
  };
  const made = await engine(t, adapter);
  for (const [, message] of cases) {
    const run = await made.start(oneTask());
    await run.result;
    const found = await failure(made, run);
    assert.equal(found.failure_type, 'error');
    assert.ok(found.message.includes(message), `${found.message} has ${message}`);
  }
});

test('the stack of what an adapter throws is in the log', async (t) => {
  const made = await engine(t, {
    async execute() {
      throw new TypeError('not a scroll');
    },
  });
  const run = await made.start(oneTask());
  await run.result;
  assert.match(fs.readFileSync(await made.logPath(run, 'one'), 'utf8'), /TypeError: not a scroll\n +at .*adapters\.test\.js/);
});

test('nonsense that an adapter returns fails the attempt, and the message says what was wrong', async (t) => {
  const circle = {};
  circle.self = circle;
  const cases = [
    [42, /TypeError: an adapter answers with .* not number/],
    [['succeeded'], /TypeError: an adapter answers with .* not an array/],
    [{ outcome: 'splendid' }, /splendid/],
    [{ outcome: 'cancelled' }, /nobody had cancelled it/],
    [{ outcome: 'failed', failure: { message: 'no quota', failure_type: 'zork' } }, /no quota \(its answer is wrong, too: .*zork/],
    [{ outcome: 'succeeded', color: 'red' }, /color/],
    [circle, /TypeError: .*circular/],
    [{ outcome: 'succeeded', usage: { input: 1n } }, /TypeError: .*BigInt/],
    [{ toJSON: () => undefined }, /TypeError: the answer has no JSON/],
  ];
  const answers = cases.map(([value]) => value);
  const made = await engine(t, () => answers.shift());
  for (const [, pattern] of cases) {
    const run = await made.start(oneTask());
    await run.result;
    assert.match((await failure(made, run)).message, pattern);
  }
});

test('AgentFailed says of what kind a failure is', async (t) => {
  const made = await engine(t, () => {
    throw new AgentFailed('it will not', { failure_type: 'refused', exit_code: 3 });
  });
  const run = await made.start(oneTask());
  await run.result;
  const found = await failure(made, run);
  assert.deepEqual([found.failure_type, found.message], ['refused', 'it will not']);
});

test('output, session and usage reach the engine before the answer', async (t) => {
  const adapter = {
    capabilities: ['resume', 'usage'],
    async execute(request, { output, session, started }) {
      started(process.pid);
      output('one ');
      output(Buffer.from('two '), 'stderr');
      session('s-1');
      await output(new Uint8Array(Buffer.from('three\n')));
      assert.throws(() => output(3), TypeError);
      assert.throws(() => output('x', 'stdlog'), TypeError);
      for (const wrong of [0, -1, 7.5, NaN, 2 ** 32 + 7]) {
        assert.throws(() => started(wrong), { name: 'RangeError', message: `pid must be a whole number from 1 to 4294967295, not ${wrong}` });
      }
      assert.throws(() => started(), { name: 'TypeError', message: /^pid must be .*, not undefined$/ });
      write(request);
      return { outcome: 'succeeded', usage: { input: 900, output: 40 }, result_text: 'said', session: 's-2' };
    },
  };
  const made = await engine(t, adapter);
  const run = await made.start(oneTask());
  const events = await eventsOf(run);
  assert.equal((await run.result).view.status, 'done');
  const ended = events.find((event) => event.type === 'task_agent_ended');
  assert.deepEqual([ended.usage.input, ended.session, ended.summary], [900, 's-2', 'said']);
  const log = fs.readFileSync(await made.logPath(run, 'one'), 'utf8');
  assert.ok(log.includes('one ') && log.indexOf('two ') > log.indexOf('one ') && log.indexOf('three') > log.indexOf('two '), log);
  const live = events.filter((event) => event.type === 'task_output').map((event) => event.text);
  assert.match(live.join(''), /one [^]*three/);
});

test('an adapter that never returns is cancelled, and the run ends without it', async (t) => {
  let signal;
  let begun;
  const beginning = new Promise((resolve) => (begun = resolve));
  const made = await engine(
    t,
    (_request, context) => {
      ({ signal } = context);
      begun();
      return new Promise(() => {});
    },
    { graceMs: 50 },
  );
  const run = await made.start(oneTask());
  await during(run, beginning);
  assert.equal(signal.aborted, false);
  run.cancel();
  assert.equal((await run.result).view.status, 'cancelled');
  assert.equal(signal.aborted, true);
  assert.equal(signal.reason.name, 'AbortError');
});

test('an agent that ends on its signal counts as cancelled', async (t) => {
  const adapter = endless();
  const made = await engine(t, adapter, { graceMs: 60000 });
  const run = await made.start(oneTask());
  await during(run, adapter.begun);
  run.interrupt('a test');
  const { ended } = await run.result;
  assert.deepEqual([ended, adapter.ended], ['interrupted', 1]);
});

/** Interrupts an agent that answers `answer` to that, takes the run up again, and gives what came of it. */
async function interrupted(t, answer) {
  let asked = 0;
  let begun;
  const beginning = new Promise((resolve) => (begun = resolve));
  const execute = (request, { signal }) => {
    asked += 1;
    if (asked > 1) return write(request);
    fs.writeFileSync(`${request.cwd}/half.txt`, 'half of the work\n');
    begun();
    return new Promise((resolve, reject) => signal.addEventListener('abort', () => answer(resolve, reject)));
  };
  const made = await engine(t, execute, { graceMs: 60000 });
  const run = await made.start(oneTask());
  await during(run, beginning);
  run.interrupt();
  assert.equal((await run.result).ended, 'interrupted');
  const { view } = await (await made.resume()).result;
  return { asked, status: view.status, files: git(made.repo, 'ls-tree', '--name-only', 'main').split('\n') };
}

test('an agent that just returns after it was interrupted has not done its work', async (t) => {
  const failed = new AgentFailed('the program was killed');
  const answers = [(resolve) => resolve(), (resolve) => resolve('that is how far I came'), (_resolve, reject) => reject(failed)];
  for (const answer of answers) {
    const { asked, status, files } = await interrupted(t, answer);
    assert.deepEqual([asked, status], [2, 'done']);
    assert.ok(!files.includes('half.txt'), `${files}`);
  }
});

test('an agent that says that it succeeded after it was interrupted is believed', async (t) => {
  const { asked, status, files } = await interrupted(t, (resolve) => resolve({ outcome: 'succeeded' }));
  assert.deepEqual([asked, status], [1, 'done']);
  assert.ok(files.includes('half.txt'));
});

test('an agent that takes too long is cancelled', async (t) => {
  const adapter = endless();
  const made = await engine(t, adapter);
  const run = await made.start(oneTask({ timeout: '50ms' }));
  await run.result;
  assert.equal(adapter.ended, 1);
  assert.equal((await failure(made, run)).failure_type, 'timeout');
});

test('an adapter is asked by several runs at once', async (t) => {
  let waiting = 0;
  let all;
  const met = new Promise((resolve) => (all = resolve));
  const adapter = {
    async execute(request) {
      waiting += 1;
      if (waiting === 4) all();
      await met; // Nobody goes on before all have begun.
      write(request);
    },
  };
  const made = await engine(t, adapter);
  const specs = ['a', 'b', 'c', 'd'].map((name) => ({ ...oneTask({ prompt: `Write ${name}.txt` }), name }));
  const runs = await Promise.all(specs.map((spec) => made.start(spec)));
  const results = await Promise.all(runs.map((run) => run.result));
  assert.deepEqual(results.map(({ view }) => view.status), Array(4).fill('done'));
});

test('a reviewer judges work', async (t) => {
  const asked = [];
  const verdicts = [{ verdict: 'block', text: 'not enough' }, 'pass'];
  const reviewRunner = {
    name: 'elder',
    async review(request, { signal, output }) {
      asked.push(request);
      assert.equal(signal.aborted, false);
      await output('reading\n');
      return verdicts.shift();
    },
  };
  const made = await engine(t, scribe, { reviewRunner });
  const run = await made.start(oneTask({ review: 'fast', max_retries: 1 }));
  assert.equal((await run.result).view.status, 'done');
  assert.deepEqual([asked.length, asked[0].task, asked[0].paths], [2, 'one', ['one.txt']]);
});

test('what a reviewer throws is no judgement', async (t) => {
  const reviewRunner = {
    review() {
      throw new TypeError('cannot read');
    },
  };
  const made = await engine(t, scribe, { reviewRunner });
  const run = await made.start(oneTask({ review: 'fast' }));
  const events = await eventsOf(run);
  const verdict = events.find((event) => event.type === 'review_verdict');
  assert.match(JSON.stringify(verdict), /TypeError: cannot read/);
});

/** Lands with git, as an outside service might. */
function gitQueue(repo, steps) {
  return {
    prepare({ tip, work, message }) {
      steps.push('prepare');
      const tree = git(repo, 'merge-tree', '--write-tree', tip, work).trim();
      const commit = git(repo, 'commit-tree', tree, '-p', tip, '-p', work, '-m', message).trim();
      return { outcome: 'prepared', commit };
    },
    async advance({ integration_ref, commit, onto }) {
      steps.push('advance');
      git(repo, 'update-ref', integration_ref, commit, onto);
      return { outcome: 'advanced' };
    },
    settle({ integration_ref, commit }) {
      steps.push('settle');
      const landed = git(repo, 'rev-list', integration_ref).split('\n').includes(commit);
      return { outcome: landed ? 'landed' : 'not-landed' };
    },
  };
}

test('a merge queue lands work in its steps', async (t) => {
  const repo = repository(t);
  const steps = [];
  const made = await engine(t, scribe, { repo, mergeQueue: gitQueue(repo, steps) });
  const run = await made.start(oneTask());
  assert.equal((await run.result).view.status, 'done');
  assert.deepEqual(steps.slice(0, 2), ['prepare', 'advance']);
});

test('a merge queue that throws does not land', async (t) => {
  const repo = repository(t);
  const mergeQueue = {
    ...gitQueue(repo, []),
    prepare() {
      throw new TypeError('the queue is closed');
    },
  };
  const made = await engine(t, scribe, { repo, mergeQueue });
  const run = await made.start(oneTask());
  const outcome = await run.result.then(({ view }) => JSON.stringify(view), (error) => error.chain);
  assert.match(outcome, /TypeError: the queue is closed/);
});
