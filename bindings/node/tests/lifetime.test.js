'use strict';
// The end of a process, of workers and of objects.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { test } = require('node:test');
const { Worker } = require('node:worker_threads');

const { TWO_FILES, endless, engine, eventsOf, folder, git, node, oneTask, program, repository, scribe } = require('./support');

/** A program whose agent never ends; `then` is what it does when the agent has begun. */
function endlessProgram(then) {
  return `
    const { Engine } = require('convoy');
    const { workerData, parentPort } = require('node:worker_threads');
    async function main(repo) {
      let begun;
      const beginning = new Promise((resolve) => (begun = resolve));
      const adapters = { scribe: () => { begun(); return new Promise(() => {}); } };
      const engine = await Engine.open({ repo, adapters, graceMs: 600000, log: () => {}, logLevel: 'trace' });
      const run = await engine.start(${JSON.stringify(oneTask())});
      await Promise.race([beginning, run.result]);
      ${then}
    }
    main(workerData ?? process.argv[2]);`;
}

/** What is left of a convoy that was cut off can be resumed. */
async function resumes(t, repo) {
  const made = await engine(t, scribe, { repo });
  const run = await made.resume();
  assert.equal((await run.result).view.status, 'done');
  const types = [];
  for await (const event of made.events(run)) types.push(event.type);
  return types;
}

test('a process that ends with a run alive ends cleanly, and the run can be resumed', async (t) => {
  for (const then of [
    'process.exit(0);',
    'run.result.catch(() => {}); process.exitCode = 0; setImmediate(() => process.exit());',
    'for await (const event of run) if (event.type === "task_started") process.exit(0);',
  ]) {
    const repo = repository(t);
    const ended = await node([program(t, 'program.js', endlessProgram(then)), repo]);
    assert.deepEqual(ended, { code: 0, signal: null, stdout: '', stderr: '' });
    assert.ok((await resumes(t, repo)).includes('convoy_interrupted'), 'it was recorded');
  }
});

test('a process that ends while its merge queue works ends cleanly', async (t) => {
  const text = `
    const { Engine } = require('convoy');
    const fs = require('node:fs');
    async function main(repo) {
      let begun;
      const beginning = new Promise((resolve) => (begun = resolve));
      const adapters = { scribe: (request) => fs.writeFileSync(request.cwd + '/a.txt', 'a') };
      const never = () => { begun(); return new Promise(() => {}); };
      const mergeQueue = { prepare: never, advance: never, settle: never };
      const engine = await Engine.open({ repo, adapters, mergeQueue });
      const run = await engine.start(${JSON.stringify(oneTask())});
      await Promise.race([beginning, run.result]);
      process.exit(0);
    }
    main(process.argv[2]);`;
  const ended = await node([program(t, 'program.js', text), repository(t)]);
  assert.deepEqual(ended, { code: 0, signal: null, stdout: '', stderr: '' });
});

test('a run that nobody awaits does not keep the process', async (t) => {
  const repo = repository(t);
  // Nothing but the agent is waited for, which is no reason to stay.
  const text = endlessProgram('').replace('await Promise.race([beginning, run.result]);', 'await beginning; await new Promise(() => {});');
  const ended = await node([program(t, 'program.js', text), repo]);
  assert.deepEqual(ended, { code: 0, signal: null, stdout: '', stderr: '' });
  assert.ok((await resumes(t, repo)).includes('convoy_interrupted'), 'it was recorded');
});

test('a run that is awaited keeps the process to its end', async (t) => {
  const text = `
    const { Engine } = require('convoy');
    const fs = require('node:fs');
    const adapters = { scribe: (request) => fs.writeFileSync(request.cwd + '/a.txt', 'a') };
    Engine.open({ repo: process.argv[2], adapters })
      .then((engine) => engine.start(${JSON.stringify(TWO_FILES)}))
      .then((run) => run.result)
      .then(({ view }) => console.log(view.status));`;
  const ended = await node([program(t, 'program.js', text), repository(t)]);
  assert.deepEqual(ended, { code: 0, signal: null, stdout: 'done\n', stderr: '' });
});

test('an exception that nobody catches ends the process as ever', async (t) => {
  const repo = repository(t);
  const ended = await node([program(t, 'program.js', endlessProgram('throw new TypeError("oops");')), repo]);
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /TypeError: oops/);
  assert.ok((await resumes(t, repo)).includes('convoy_interrupted'));
});

/** What a worker says first, or how it ended. */
function said(worker) {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', (code) => resolve(`exit ${code}`));
  });
}

test('two workers have an engine each, and one is terminated with a run alive', async (t) => {
  const whole = program(
    t,
    'worker.js',
    `const { Engine } = require('convoy');
     const fs = require('node:fs');
     const { workerData, parentPort } = require('node:worker_threads');
     const adapters = { scribe: async (request) => fs.writeFileSync(request.cwd + '/a.txt', request.prompt) };
     Engine.open({ repo: workerData, adapters }).then(async (engine) => {
       const run = await engine.start(${JSON.stringify(TWO_FILES)});
       let count = 0;
       for await (const event of run) count += event.type === 'task_done';
       parentPort.postMessage([(await run.result).view.status, count]);
     });`,
  );
  const cut = program(t, 'cut.js', endlessProgram('parentPort.postMessage("begun"); await run.result;'));
  const [one, two] = [repository(t), repository(t)];
  const first = new Worker(whole, { workerData: one });
  const second = new Worker(cut, { workerData: two });
  const firstEnded = new Promise((resolve) => first.once('exit', resolve));
  assert.equal(await said(second), 'begun');
  assert.equal(await second.terminate(), 1);
  assert.deepEqual(await said(first), ['done', 2]);
  assert.equal(await firstEnded, 0);
  assert.ok((await resumes(t, two)).includes('convoy_interrupted'));
});

test('a worker that ends by itself with a run alive ends cleanly', async (t) => {
  const repo = repository(t);
  const worker = new Worker(program(t, 'cut.js', endlessProgram('process.exit(0);')), { workerData: repo });
  assert.equal(await said(worker), 'exit 0');
  assert.ok((await resumes(t, repo)).includes('convoy_interrupted'));
});

test('workers come and go in a process whose main thread does not use the package', async (t) => {
  const cut = program(t, 'cut.js', endlessProgram('parentPort.postMessage("begun"); await run.result;'));
  const main = `
    const { Worker } = require('node:worker_threads');
    (async () => {
      for (const repo of process.argv.slice(2)) {
        const worker = new Worker(${JSON.stringify(cut)}, { workerData: repo });
        await new Promise((resolve) => worker.once('message', resolve));
        await worker.terminate();
      }
      console.log('over');
    })();`;
  const ended = await node([program(t, 'main.js', main), repository(t), repository(t)]);
  assert.deepEqual(ended, { code: 0, signal: null, stdout: 'over\n', stderr: '' });
});

/** Collects garbage until something has happened. */
async function collectUntil(happened) {
  while (!happened()) {
    // What a WeakRef has given stays alive to the end of the job.
    await new Promise(setImmediate);
    global.gc();
    await new Promise(setImmediate);
  }
}

test('an engine that nobody refers to is freed, and its agents are told', async (t) => {
  const adapter = endless();
  const repo = repository(t);
  const begin = async () => {
    const { Engine } = require('convoy');
    const { ENV } = require('./support');
    const made = await Engine.open({ repo, env: ENV, adapters: { scribe: adapter } });
    const run = await made.start(oneTask());
    let working = false;
    adapter.begun.then(() => (working = true));
    // Without awaiting the run, which would keep it.
    while (!working) await new Promise(setImmediate);
    return [new WeakRef(made), new WeakRef(run)];
  };
  const [made, run] = await begin();
  await collectUntil(() => made.deref() === undefined && run.deref() === undefined && adapter.ended === 1);
  const later = await engine(t, scribe, { repo });
  // The engine that is gone ends by itself, soon: until then the convoy is its own.
  for (;;) {
    const taken = await later.resume().catch((error) => error);
    if (taken.code === 'CONVOY_BUSY') continue;
    assert.equal((await taken.result).view.status, 'done');
    break;
  }
});

test('a run that is awaited is not collected, whoever has forgotten it', async (t) => {
  const made = await engine(t, async (request) => {
    for (let count = 0; count < 20; count++) {
      global.gc();
      await new Promise(setImmediate);
    }
    return scribe.execute(request);
  });
  const [events, result] = await (async () => {
    const run = await made.start(TWO_FILES);
    const other = await made.start(oneTask({ prompt: 'Write three.txt' }));
    return Promise.all([eventsOf(run), other.result]);
  })();
  assert.equal(events.at(-1).status, 'done');
  assert.equal(result.view.status, 'done');
});

test('runs that are over are freed', async (t) => {
  const made = await engine(t);
  const runs = [];
  for (let count = 0; count < 3; count++) {
    const run = await made.start(oneTask({ prompt: `Write ${count}.txt` }));
    await eventsOf(run);
    await run.result;
    runs.push(new WeakRef(run));
  }
  // The newest is kept by the engine.
  await collectUntil(() => runs.slice(0, 2).every((run) => run.deref() === undefined));
  assert.equal(git(made.repo, 'ls-tree', '--name-only', 'main'), '0.txt\n1.txt\n2.txt\n');
});

/** The package without an addon, and a program that loads it. */
function bare(t) {
  const made = folder(t);
  const home = path.dirname(require.resolve('convoy/package.json'));
  fs.mkdirSync(path.join(made, 'node_modules'));
  const copy = path.join(made, 'node_modules', 'convoy');
  fs.mkdirSync(copy);
  fs.cpSync(path.join(home, 'lib'), path.join(copy, 'lib'), { recursive: true });
  fs.copyFileSync(path.join(home, 'package.json'), path.join(copy, 'package.json'));
  const text = "try { require('convoy') } catch (error) { console.log(error.code, error.message) }";
  fs.writeFileSync(path.join(made, 'program.js'), text);
  const release = path.join(copy, 'build', 'Release');
  return { program: path.join(made, 'program.js'), release };
}

test('the package says what is missing when there is no addon', async (t) => {
  const { program: loads, release } = bare(t);
  const missing = await node([loads]);
  assert.match(missing.stdout, /^CONVOY_NO_ADDON convoy has no addon for \S+ \S+: .*@convoy\/.*CONVOY_LIB_DIR/);
  fs.mkdirSync(release, { recursive: true });
  fs.writeFileSync(path.join(release, 'convoy.node'), 'no addon');
  const broken = await node([loads]);
  assert.match(broken.stdout, /^CONVOY_BAD_ADDON .*cannot be loaded from .*convoy\.node/);
});

test('a library with another interface is refused', async (t) => {
  const { program: loads, release } = bare(t);
  const home = path.dirname(require.resolve('convoy/package.json'));
  const built = path.join(home, 'build', 'Release', 'convoy.node');
  const prebuilt = `@convoy/${process.platform}-${process.arch}`;
  fs.mkdirSync(release, { recursive: true });
  const addon = fs.existsSync(built) ? built : require.resolve(prebuilt, { paths: [home] });
  fs.copyFileSync(addon, path.join(release, 'convoy.node'));
  const source = path.join(release, 'other.c');
  fs.writeFileSync(source, '#include <stdint.h>\nuint32_t convoy_abi_version(void) { return 4711; }\n');
  execFileSync('gcc', ['-shared', '-fPIC', source, '-o', path.join(release, 'libconvoy.so')]);
  const ended = await node([loads], { LD_BIND_NOW: '' });
  assert.match(ended.stdout, /^CONVOY_ABI .*version 1 of the C interface, .* has 4711/);
});
