'use strict';
// What the tests share: scratch repositories, a hermetic git, convoys and adapters.

const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const { Engine } = require('convoy');

const ENV = {
  PATH: process.env.PATH,
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.invalid',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.invalid',
};

const TWO_FILES = `{name: two files, version: 1, concurrency: 1, adapter: scribe, tasks: [
    {id: one, prompt: Write one.txt}, {id: two, depends_on: [one], prompt: Write two.txt}]}`;

/** A convoy of one task that is tried once. */
function oneTask(more = {}) {
  const task = { id: 'one', prompt: 'Write one.txt', max_retries: 0, ...more };
  return { name: 'one task', version: 1, adapter: 'scribe', tasks: [task] };
}

/** Does the work of the scribe: writes the file that the last word of the prompt names. */
function write(request) {
  fs.writeFileSync(path.join(request.cwd, request.prompt.trim().split(/\s+/).at(-1)), 'written in JavaScript\n');
}

const scribe = {
  async execute(request) {
    write(request);
    return 'written';
  },
};

function git(folder, ...args) {
  return execFileSync('git', args, { cwd: folder, env: ENV, encoding: 'utf8' });
}

/** A folder that is removed at the end of the test. */
function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'convoy-node-'));
  t.after(() => fs.rmSync(made, { recursive: true, force: true, maxRetries: 5 }));
  return made;
}

/** A repository with one commit on `main`. */
function repository(t) {
  const made = path.join(folder(t), 'repository');
  fs.mkdirSync(made);
  git(made, 'init', '-q', '-b', 'main');
  git(made, 'commit', '-q', '--allow-empty', '-m', 'begin');
  return made;
}

/** An engine on a repository of its own, closed at the end of the test. */
async function engine(t, adapter = scribe, more = {}) {
  const repo = more.repo ?? repository(t);
  const made = await Engine.open({ adapters: { scribe: adapter }, env: ENV, graceMs: 1000, ...more, repo });
  t.after(() => made.close());
  made.repo = repo;
  return made;
}

/** An agent that begins, and ends only when it is cancelled. `begun` says when. */
function endless() {
  const adapter = { ended: 0 };
  adapter.begun = new Promise((begun) => {
    adapter.execute = (request, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          adapter.ended += 1;
          reject(signal.reason);
        });
        begun(request);
      });
  });
  return adapter;
}

/** Waits for something that happens during a run; awaiting that alone would not keep the process. */
async function during(run, happening) {
  const ended = run.result.then(() => Promise.reject(new Error('the run has ended before')));
  ended.catch(() => {});
  return Promise.race([happening, ended]);
}

/** All events of a run. */
async function eventsOf(run) {
  const events = [];
  for await (const event of run) events.push(event);
  return events;
}

/** Why the only task of a convoy failed. */
async function failure(engineOfRun, run) {
  return (await engineOfRun.status(run)).tasks[0].failure;
}

/**
 * A folder with a program and `node_modules/convoy` beside it, as a user has them. The package is named by its own
 * place, so that this is the one that the tests themselves use.
 */
function program(t, name, text) {
  const made = folder(t);
  fs.mkdirSync(path.join(made, 'node_modules'));
  fs.symlinkSync(path.dirname(require.resolve('convoy/package.json')), path.join(made, 'node_modules', 'convoy'));
  fs.writeFileSync(path.join(made, name), text);
  return path.join(made, name);
}

/** What a tool that looks into this process needs in others, too. */
const TOOLS = Object.fromEntries(['LD_PRELOAD', 'ASAN_OPTIONS'].filter((name) => name in process.env).map((name) => [name, process.env[name]]));

/** Runs Node, and gives what became of it. */
function node(args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env: { ...ENV, ...TOOLS, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

module.exports = { ENV, TOOLS, TWO_FILES, during, endless, engine, eventsOf, failure, folder, git, node, oneTask, program, repository, scribe, write };
