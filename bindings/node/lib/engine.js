'use strict';

const native = require('./native');
const { Host, ask, cancel } = require('./host');
const { ConvoyError } = require('./errors');
const { Run } = require('./run');

const CLOSED = 110;

native.setup(
  (kind, key, question, id, text) => {
    if (kind === 0) Run.wake(key);
    else if (kind === 1) ask(key, question, id, text);
    else cancel(id);
  },
  (...parts) => new ConvoyError(...parts),
);
// A process or worker that ends by itself. For one that is terminated the addon does the same.
process.once('exit', () => native.close());

/** The names that the library has for options. */
const ENGINE_OPTIONS = {
  env: 'env',
  stateDir: 'state_dir',
  secrets: 'secrets',
  actor: 'actor',
  graceMs: 'grace_ms',
  git: 'git',
  store: 'store',
  create: 'create',
};
const RUN_OPTIONS = {
  concurrency: 'concurrency',
  adapter: 'adapter',
  branch: 'branch',
  maxInjected: 'max_injected',
  injectFile: 'inject_file',
};

function options(names, given, others = []) {
  const made = {};
  for (const [name, value] of Object.entries(given)) {
    if (others.includes(name)) continue;
    if (!Object.hasOwn(names, name)) {
      const known = [...Object.keys(names), ...others].join(', ');
      throw new TypeError(`there is no option ${JSON.stringify(name)}: the options are ${known}`);
    }
    if (value !== undefined) made[names[name]] = value;
  }
  return made;
}

function specText(spec) {
  if (typeof spec === 'string') return spec;
  if (typeof spec === 'object' && spec !== null) return JSON.stringify(spec);
  throw new TypeError('a convoy file is its text, or the object that it holds');
}

function idOf(convoy) {
  if (typeof convoy === 'string') return convoy;
  if (convoy instanceof Run) return convoy.id;
  throw new TypeError('a convoy is named by its id, or by a run of it');
}

function mustHave(what, object, ...methods) {
  for (const method of methods) {
    if (typeof object?.[method] !== 'function') throw new TypeError(`${what} has no method ${method}`);
  }
}

/** What can be given as adapters: an array of objects with names, or an object of objects or functions. */
function adapterMap(adapters) {
  const map = new Map();
  const entries = Array.isArray(adapters)
    ? adapters.map((adapter) => [adapter?.name, adapter])
    : Object.entries(adapters);
  for (const [name, given] of entries) {
    if (typeof name !== 'string' || name === '') throw new TypeError('an adapter in a list must have a name');
    const adapter = typeof given === 'function' ? { execute: given } : given;
    mustHave(`the adapter ${JSON.stringify(name)}`, adapter, 'execute');
    map.set(name, adapter);
  }
  return map;
}

function adapterDescription([name, { account, capabilities = [] }]) {
  return JSON.stringify({ name, account, capabilities: Object.fromEntries(capabilities.map((what) => [what, true])) });
}

function processEnv() {
  return Object.fromEntries(['PATH', 'HOME'].filter((name) => name in process.env).map((name) => [name, process.env[name]]));
}

/** Checks a convoy file without running anything. */
async function check(spec) {
  return JSON.parse(await native.call('check_spec', null, [specText(spec)]));
}

/** Runs convoys on the git repository that `repo` is in. */
class Engine {
  #host;
  #built;
  #closing;
  /** Runs go on while nobody refers to them. */
  #runs = [];

  constructor(given) {
    const { repo, adapters = {}, reviewRunner, mergeQueue, ...rest } = given ?? {};
    if (typeof repo !== 'string') throw new TypeError('the option "repo" is the path of a git repository');
    const settings = options(ENGINE_OPTIONS, rest, ['repo', 'adapters', 'reviewRunner', 'mergeQueue']);
    settings.env ??= processEnv();
    const map = adapterMap(adapters);
    let review = null;
    if (reviewRunner !== undefined) {
      mustHave('the reviewRunner', reviewRunner, 'review');
      review = JSON.stringify({ name: reviewRunner.name ?? 'host', model: reviewRunner.model });
    }
    if (mergeQueue !== undefined) mustHave('the mergeQueue', mergeQueue, 'prepare', 'advance', 'settle');
    this.#host = new Host(map, reviewRunner, mergeQueue);
    const descriptions = [...map].map(adapterDescription);
    this.#built = native.build(this.#host.key, repo, JSON.stringify(settings), descriptions, review, mergeQueue !== undefined);
    this.#built.catch(() => {}); // Whoever calls a method is told.
  }

  /** As the constructor, and waits until the engine can be used. */
  static async open(given) {
    const engine = new Engine(given);
    await engine.#built;
    return engine;
  }

  get closed() {
    return this.#closing !== undefined;
  }

  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    let handle;
    try {
      handle = await this.#built;
    } catch {
      return; // There never was one.
    }
    native.hold(true);
    try {
      await native.callThread('engine_shutdown', handle);
    } finally {
      native.hold(false);
      native.freeEngine(handle);
    }
  }

  async #call(operation, texts, number) {
    const handle = await this.#built;
    if (this.closed) throw new ConvoyError(CLOSED, 'CONVOY_CLOSED', 'the engine is closed');
    return native.call(operation, handle, texts, number);
  }

  async #json(operation, texts, number) {
    return JSON.parse(await this.#call(operation, texts, number));
  }

  async #run(operation, texts, signal) {
    signal?.throwIfAborted();
    const run = new Run(this, await this.#call(operation, texts));
    this.#runs = this.#runs.filter((other) => !other.done);
    this.#runs.push(run);
    if (signal?.aborted) {
      run.cancel();
    } else if (signal !== undefined) {
      const reference = new WeakRef(run);
      signal.addEventListener('abort', () => reference.deref()?.cancel(), { once: true });
    }
    return run;
  }

  async check(spec) {
    return check(spec);
  }

  async plan(spec, given = {}) {
    return this.#json('engine_plan', [specText(spec), JSON.stringify(options(RUN_OPTIONS, given))]);
  }

  async start(spec, given = {}) {
    const settings = JSON.stringify(options(RUN_OPTIONS, given, ['signal']));
    return this.#run('engine_start', [specText(spec), settings], given.signal);
  }

  async resume(convoy, { signal } = {}) {
    return this.#run('engine_resume', [convoy === undefined ? null : idOf(convoy)], signal);
  }

  async retry(convoy, tasks, { signal } = {}) {
    return this.#run('engine_retry', [idOf(convoy), tasks === undefined ? null : JSON.stringify([...tasks])], signal);
  }

  async publish(convoy, { signal } = {}) {
    return this.#run('engine_publish', [idOf(convoy)], signal);
  }

  async stateDir() {
    return this.#call('engine_state_dir');
  }

  async list() {
    return this.#json('engine_list');
  }

  async status(convoy) {
    return this.#json('engine_status', [idOf(convoy)]);
  }

  async isRunning(convoy) {
    return this.#call('engine_is_running', [idOf(convoy)]);
  }

  async *events(convoy, after = 0) {
    for (;;) {
      const page = await this.#json('engine_events', [idOf(convoy)], after);
      if (page.length === 0) return;
      yield* page;
      after = page.at(-1)._event_id;
    }
  }

  async deadLetters(convoy) {
    return this.#json('engine_dead_letters', [idOf(convoy)]);
  }

  async disputes(convoy) {
    return this.#json('engine_disputes', [idOf(convoy)]);
  }

  async attempt(convoy, task, attempt = 0) {
    return this.#json('engine_attempt', [idOf(convoy), task], attempt);
  }

  async logPath(convoy, task, attempt = 0) {
    return this.#call('engine_log_path', [idOf(convoy), task], attempt);
  }

  async artifact(convoy, task, name) {
    return this.#call('engine_artifact', [idOf(convoy), task, name]);
  }

  async pause(convoy) {
    await this.#call('engine_pause', [idOf(convoy)]);
  }

  async unpause(convoy) {
    await this.#call('engine_unpause', [idOf(convoy)]);
  }

  async cancel(convoy) {
    await this.#call('engine_cancel', [idOf(convoy)]);
  }

  async approve(convoy, task, { tree, reason } = {}) {
    await this.#call('engine_approve', [idOf(convoy), task, tree, reason]);
  }

  async reject(convoy, task, { reason } = {}) {
    await this.#call('engine_reject', [idOf(convoy), task, reason]);
  }

  async skip(convoy, task, { reason } = {}) {
    await this.#call('engine_skip', [idOf(convoy), task, reason]);
  }

  async accept(convoy, task, revision, { reason } = {}) {
    await this.#call('engine_accept', [idOf(convoy), task, revision, reason]);
  }

  async inject(convoy, tasks, { source = 'host', key } = {}) {
    return this.#call('engine_inject', [idOf(convoy), specText(tasks), source, key]);
  }

  async resolveDeadLetter(convoy, id, resolution) {
    await this.#call('engine_resolve_dead_letter', [idOf(convoy), id, resolution]);
  }

  async resolveDispute(convoy, id, resolution) {
    await this.#call('engine_resolve_dispute', [idOf(convoy), id, resolution]);
  }
}
if (Symbol.asyncDispose !== undefined) {
  Object.defineProperty(Engine.prototype, Symbol.asyncDispose, { value: Engine.prototype.close, configurable: true });
}

module.exports = { Engine, check };
