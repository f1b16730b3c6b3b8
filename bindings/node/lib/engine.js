'use strict';

const native = require('./native');
const { Host, ask, cancel } = require('./host');
const { ConvoyError } = require('./errors');
const { mustFit, mustKnow, renamed } = require('./options');
const { Run } = require('./run');

const CLOSED = 110;

native.setup(
  (kind, key, question, id, text) => {
    if (kind === 0) Run.wake(key);
    else if (kind === 1) ask(key, question, id, text);
    else if (kind === 4) Host.get(key)?.tell(text);
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
  gitBackend: 'git_backend',
  store: 'store',
  create: 'create',
  adapterLimits: 'adapter_limits',
  profileLimits: 'profile_limits',
  keepForMs: 'keep_for_ms',
  keepConvoys: 'keep_convoys',
  logsQuotaBytes: 'logs_quota_bytes',
};
/** All of them, with what they are; those without are looked at below. */
const ENGINE_KINDS = {
  repo: undefined,
  adapters: undefined,
  reviewRunner: undefined,
  mergeQueue: undefined,
  gates: 'object',
  prompts: 'object',
  hooks: 'object',
  log: undefined,
  logLevel: undefined,
  env: 'texts',
  stateDir: 'folder',
  secrets: undefined,
  actor: 'text',
  graceMs: 'number',
  git: 'text',
  gitBackend: 'text',
  store: 'store',
  create: 'flag',
  adapterLimits: 'object',
  profileLimits: 'object',
  keepForMs: 'number',
  keepConvoys: 'small',
  logsQuotaBytes: 'number',
};
/** Those of `prune`. */
const PRUNE_OPTIONS = { olderThanMs: 'older_than_ms', all: 'all', unpublished: 'unpublished', dryRun: 'dry_run' };
const PRUNE_KINDS = { convoys: undefined, olderThanMs: 'number', all: 'flag', unpublished: 'flag', dryRun: 'flag' };
/** In the order of their numbers, from 1. */
const LEVELS = ['error', 'warn', 'info', 'debug', 'trace'];
const RUN_OPTIONS = {
  concurrency: 'concurrency',
  adapter: 'adapter',
  branch: 'branch',
  maxInjected: 'max_injected',
  injectFile: 'inject_file',
};
const RUN_KINDS = { concurrency: 'concurrency', adapter: 'text', branch: 'text', maxInjected: 'small', injectFile: 'flag' };
const SIGNAL = { signal: 'signal' };
const ASKED = { timeoutMs: 'number' };
const DECIDED = { reason: 'text', ...ASKED };

function specText(spec) {
  if (typeof spec === 'string') {
    if (/^\S+\.(ya?ml|json)$/.test(spec)) {
      throw new TypeError(`${JSON.stringify(spec)} looks like the path of a convoy file: give what the file holds`);
    }
    return spec;
  }
  if (typeof spec === 'object' && spec !== null) return JSON.stringify(spec);
  throw new TypeError('a convoy file is its text, or the object that it holds');
}

function idOf(convoy) {
  if (typeof convoy === 'string') return convoy;
  if (convoy instanceof Run) return convoy.id;
  throw new TypeError('a convoy is named by its id, or by a run of it');
}

/** Several texts. One alone would be taken apart into letters. */
function texts(what, given) {
  const list = typeof given === 'object' && given !== null && Symbol.iterator in given ? [...given] : undefined;
  if (list === undefined || !list.every((text) => typeof text === 'string')) {
    throw new TypeError(`${what} must be a list of texts`);
  }
  return list;
}

function mustHave(what, object, ...methods) {
  for (const method of methods) {
    if (typeof object?.[method] !== 'function') throw new TypeError(`${what} has no method ${method}`);
  }
}

/** What can be given as adapters: an array of objects with names, or an object of objects or functions. */
function adapterMap(adapters) {
  if (typeof adapters !== 'object' || adapters === null) throw new TypeError('the option "adapters" is an object of adapters, or an array of them');
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

/** Gates, prompt sources or hooks. */
function functions(kind, named) {
  for (const [name, code] of Object.entries(named)) {
    if (typeof code !== 'function') throw new TypeError(`the ${kind} ${JSON.stringify(name)} is no function`);
  }
  return new Map(Object.entries(named));
}

/** Limits of adapters under the names of the library. */
function limits(named) {
  if (named === undefined) return undefined;
  const names = { maxConcurrent: 'max_concurrent', staggerMs: 'stagger_ms' };
  const kinds = { maxConcurrent: 'small', staggerMs: 'number' };
  return Object.fromEntries(Object.entries(named).map(([name, limit]) => [name, renamed(names, mustKnow(kinds, limit))]));
}

function adapterDescription([name, { account, capabilities = [] }]) {
  return JSON.stringify({ name, account, capabilities: Object.fromEntries(texts('capabilities', capabilities).map((what) => [what, true])) });
}

function processEnv() {
  return Object.fromEntries(['PATH', 'HOME'].filter((name) => name in process.env).map((name) => [name, process.env[name]]));
}

/** Checks a convoy file without running anything. */
async function check(spec) {
  return JSON.parse(await native.call('check_spec', null, [specText(spec)]));
}

/** Fills in a formula, and checks what comes of it. */
async function checkFormula(formula, values) {
  const text = values === undefined ? null : JSON.stringify(values);
  return JSON.parse(await native.call('check_formula', null, [specText(formula), text]));
}

/** Runs convoys on the git repository that `repo` is in. */
class Engine {
  #host;
  #built;
  #closing;
  /** Runs go on while nobody refers to them. */
  #runs = [];

  constructor(given) {
    mustKnow(ENGINE_KINDS, given ?? {});
    const { repo, adapters = {}, reviewRunner, mergeQueue, gates = {}, prompts = {}, hooks = {}, ...rest } = given ?? {};
    const { log, logLevel = 'info' } = rest;
    if (log !== undefined && typeof log !== 'function') throw new TypeError('the log is a function of a record');
    if (!LEVELS.includes(logLevel)) throw new TypeError(`the logLevel is one of ${LEVELS.join(', ')}`);
    if (typeof repo !== 'string') throw new TypeError('the option "repo" is the path of a git repository');
    const settings = renamed(ENGINE_OPTIONS, rest);
    settings.adapter_limits = limits(settings.adapter_limits);
    settings.profile_limits = limits(settings.profile_limits);
    settings.env ??= processEnv();
    if (settings.secrets !== undefined) settings.secrets = texts('the option "secrets"', settings.secrets);
    const map = adapterMap(adapters);
    let review = null;
    if (reviewRunner !== undefined) {
      mustHave('the reviewRunner', reviewRunner, 'review');
      review = JSON.stringify({ name: reviewRunner.name ?? 'host', model: reviewRunner.model });
    }
    if (mergeQueue !== undefined) mustHave('the mergeQueue', mergeQueue, 'prepare', 'advance', 'settle');
    const code = { gate: functions('gate', gates), prompt: functions('prompt', prompts), hook: functions('hook', hooks) };
    this.#host = new Host(map, reviewRunner, mergeQueue, code, log);
    const descriptions = [...map].map(adapterDescription);
    const settingsText = JSON.stringify(settings);
    const names = [code.gate, code.prompt, code.hook].map((named) => [...named.keys()]);
    this.#built = native.build(
      this.#host.key, repo, settingsText, descriptions, review, mergeQueue !== undefined, ...names,
      log === undefined ? 0 : LEVELS.indexOf(logLevel) + 1,
    );
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

  async #open() {
    const handle = await this.#built;
    if (this.closed) throw new ConvoyError(CLOSED, 'CONVOY_CLOSED', 'the engine is closed');
    return handle;
  }

  async #call(operation, texts, number) {
    // Waited for here, so that the engine is not collected meanwhile.
    return await native.call(operation, await this.#open(), texts, number);
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
    return this.#json('engine_plan', [specText(spec), JSON.stringify(renamed(RUN_OPTIONS, mustKnow(RUN_KINDS, given)))]);
  }

  async start(spec, given = {}) {
    const settings = JSON.stringify(renamed(RUN_OPTIONS, mustKnow({ ...RUN_KINDS, ...SIGNAL }, given)));
    return this.#run('engine_start', [specText(spec), settings], given.signal);
  }

  async resume(convoy, given = {}) {
    const { signal } = mustKnow(SIGNAL, given);
    return this.#run('engine_resume', [convoy === undefined ? null : idOf(convoy)], signal);
  }

  async retry(convoy, tasks, given = {}) {
    const { signal } = mustKnow(SIGNAL, given);
    return this.#run('engine_retry', [idOf(convoy), tasks === undefined ? null : JSON.stringify(texts('tasks', tasks))], signal);
  }

  async publish(convoy, given = {}) {
    const { signal } = mustKnow(SIGNAL, given);
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
    mustFit('number', 'after', after);
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
    return this.#json('engine_attempt', [idOf(convoy), task], mustFit('small', 'attempt', attempt));
  }

  async logPath(convoy, task, attempt = 0) {
    return this.#call('engine_log_path', [idOf(convoy), task], mustFit('small', 'attempt', attempt));
  }

  async artifact(convoy, task, name) {
    return this.#call('engine_artifact', [idOf(convoy), task, name]);
  }

  async export(convoy, file) {
    if (typeof file !== 'string') throw new TypeError('the file is given as its path');
    return this.#call('engine_export', [idOf(convoy), file]);
  }

  async prune(asked = {}) {
    const named = typeof asked === 'string' || asked instanceof Run ? [asked] : asked;
    const given = Array.isArray(named) ? { convoys: named } : named;
    const { convoys, ...rest } = mustKnow(PRUNE_KINDS, given);
    if (convoys !== undefined && !Array.isArray(convoys)) throw new TypeError('the option "convoys" must be an array');
    // An empty list means none, and no list means any.
    const options = { ...renamed(PRUNE_OPTIONS, rest), convoys: convoys?.map(idOf) };
    return this.#json('engine_prune', [JSON.stringify(options)]);
  }

  async lastRetention() {
    return this.#json('engine_last_retention');
  }

  /** What became of a request. It waits for whoever runs the convoy, on a thread of its own. */
  async #ask(operation, texts, timeoutMs) {
    const handle = await this.#open();
    native.hold(true);
    try {
      const text = await native.callThread(operation, handle, texts, timeoutMs);
      return text === undefined ? undefined : JSON.parse(text).answer;
    } finally {
      native.hold(false);
    }
  }

  async pause(convoy, given = {}) {
    const { timeoutMs } = mustKnow(ASKED, given);
    return this.#ask('engine_pause', [idOf(convoy)], timeoutMs);
  }

  async unpause(convoy, given = {}) {
    const { timeoutMs } = mustKnow(ASKED, given);
    return this.#ask('engine_unpause', [idOf(convoy)], timeoutMs);
  }

  async cancel(convoy, given = {}) {
    const { timeoutMs } = mustKnow(ASKED, given);
    return this.#ask('engine_cancel', [idOf(convoy)], timeoutMs);
  }

  async approve(convoy, task, given = {}) {
    const { tree, reason, timeoutMs } = mustKnow({ tree: 'text', ...DECIDED }, given);
    return this.#ask('engine_approve', [idOf(convoy), task, tree, reason], timeoutMs);
  }

  async reject(convoy, task, given = {}) {
    const { reason, timeoutMs } = mustKnow(DECIDED, given);
    return this.#ask('engine_reject', [idOf(convoy), task, reason], timeoutMs);
  }

  async skip(convoy, task, given = {}) {
    const { reason, timeoutMs } = mustKnow(DECIDED, given);
    return this.#ask('engine_skip', [idOf(convoy), task, reason], timeoutMs);
  }

  async accept(convoy, task, revision, given = {}) {
    const { reason, timeoutMs } = mustKnow(DECIDED, given);
    return this.#ask('engine_accept', [idOf(convoy), task, revision, reason], timeoutMs);
  }

  async inject(convoy, tasks, given = {}) {
    const { source = 'host', key } = mustKnow({ source: 'text', key: 'text' }, given);
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

module.exports = { Engine, check, checkFormula };
