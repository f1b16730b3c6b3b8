'use strict';
// The Node host of the parity tests: does what a job says (see main.rs).
//
//     node host.js JOB

const { execFile } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { promisify } = require('node:util');

const { AgentFailed, ConvoyError, Engine } = require('convoy');

const LANDING = {
  prepare: ['integration_ref', 'tip', 'work', 'message'],
  advance: ['integration_ref', 'commit', 'onto', 'fence'],
  settle: ['integration_ref', 'commit', 'onto'],
};

/** Prints one line, at once: nothing is left when the process is killed. */
function say(line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += fs.writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

/** What the parts share. */
class Shared {
  #calls = new Map();
  #gates = new Map();

  constructor(job) {
    Object.assign(this, { repository: job.repository, landing: job.landing, script: job.script });
  }

  /** Says what was asked, and gives what is to be done. */
  asked(kind, request) {
    const tail = (request.worker_id ?? '').split('.').slice(1).join('.') || (request.name ?? '');
    say({ asked: kind, request });
    const exact = `${kind} ${tail}`;
    const key = exact in this.script ? exact : kind;
    const scripts = this.script[key];
    if (scripts === undefined) return kind in LANDING ? [['git']] : [['raise', 'Unscripted', exact]];
    const number = this.#calls.get(key) ?? 0;
    this.#calls.set(key, number + 1);
    return scripts[Math.min(number, scripts.length - 1)];
  }

  /** A gate: a promise, and what resolves it. */
  gate(name) {
    if (!this.#gates.has(name)) {
      const gate = {};
      gate.opened = new Promise((resolve) => (gate.open = resolve));
      this.#gates.set(name, gate);
    }
    return this.#gates.get(name);
  }

  async land(kind, request) {
    const words = LANDING[kind].map((name) => String(request[name]));
    const done = await promisify(execFile)('sh', [this.landing, this.repository, kind, ...words]);
    return JSON.parse(done.stdout);
  }
}

function cancelled(signal) {
  return new Promise((resolve) => (signal.aborted ? resolve() : signal.addEventListener('abort', resolve)));
}

/** What a step of a script does. */
const STEPS = {
  'git-only': (call) => call.shared.land(call.kind, call.request),
  // Code beside agents has a worktree.
  write: ({ request }, name, text) => fs.promises.writeFile(path.join(request.cwd ?? request.worktree, name), text),
  output: ({ context }, text) => context.output(text),
  complain: ({ context }, text) => context.output(text, 'stderr'),
  repeat: ({ context, request }, member) => context.output(request[member]),
  session: ({ context }, id) => context.session(id),
  started: ({ context }) => context.started(process.pid),
  ask: ({ shared }, what, ...args) => shared.run[what](...args),
  await: ({ shared }, gate) => shared.gate(gate).opened,
  cancelled: ({ context }) => cancelled(context.signal),
  hang: () => new Promise(() => {}),
  die: () => process.kill(process.pid, 'SIGKILL'),
};

/** Does what the script says, up to the answer. */
async function follow(call) {
  for (const [word, ...args] of call.shared.asked(call.kind, call.request)) {
    // Who returns the answer cannot answer twice.
    if (['answer', 'answer-twice', 'nonsense'].includes(word)) return args[0];
    if (word === 'raise') throw Object.assign(new Error(args[1]), { name: args[0] });
    if (word === 'fail') throw new AgentFailed(args[0], { failure_type: args[1] });
    if (word === 'git') return call.shared.land(call.kind, call.request);
    await STEPS[word](call, ...args);
  }
  throw new Error('the script has no answer');
}

/** An adapter, a reviewer or a merge queue. */
function part(shared, { name, account, model, capabilities = {} } = {}) {
  const can = Object.keys(capabilities).filter((what) => capabilities[what]);
  const made = { name, account, model, capabilities: can };
  for (const kind of ['execute', 'review', ...Object.keys(LANDING)]) {
    made[kind] = (request, context) => follow({ shared, kind, request, context });
  }
  return made;
}

/** Gates, prompt sources or hooks, by their names. */
function code(shared, kind, names) {
  return Object.fromEntries(names.map((name) => [name, (request, context) => follow({ shared, kind, request, context })]));
}

/** The program of a job: calls of an engine and its runs, one after the other. */
class Drive {
  constructor(job, engine, shared) {
    Object.assign(this, { job, engine, shared, rules: [...job.on] });
  }

  /** Makes one call and says what became of it. */
  async call(words) {
    const [word, ...given] = words;
    const id = this.convoy?.replace('convoy-', '');
    const args = given.map((arg) => (typeof arg === 'string' ? arg.replaceAll('CONVOY', id) : arg));
    if (word === 'open') {
      say({ did: words }); // Before, as it may be the last thing that this process does.
      this.shared.gate(args[0]).open();
      return;
    }
    try {
      say({ did: words, told: (await this.#do(word, args)) ?? null });
    } catch (error) {
      if (!(error instanceof ConvoyError)) throw error;
      say({ did: words, failed: { status: error.status, message: error.message } });
    }
  }

  async #do(word, args) {
    const { engine, convoy } = this;
    switch (word) {
      case 'start':
      case 'resume':
      case 'retry':
      case 'publish':
        return this.#follow(word, args);
      case 'pause':
      case 'unpause':
      case 'cancel':
      case 'interrupt':
        return this.run[word](...args);
      case 'shutdown':
        return engine.close();
      case 'list':
      case 'status':
      case 'disputes':
        return engine[word](convoy);
      case 'is_running':
        return engine.isRunning(convoy);
      case 'dead_letters':
        return engine.deadLetters(convoy);
      case 'attempt':
        return engine.attempt(convoy, ...args);
      case 'events': {
        const events = [];
        for await (const event of engine.events(convoy)) events.push(event);
        return events;
      }
      case 'log': {
        const file = await engine.logPath(convoy, ...args);
        return { path: file, text: fs.readFileSync(file, 'utf8') };
      }
      case 'export': {
        const file = `${this.job.repository}.ndjson`;
        const count = await engine.export(convoy, file);
        return { count, events: fs.readFileSync(file, 'utf8').trimEnd().split('\n').map(JSON.parse) };
      }
      case 'prune': {
        const { dry_run: dryRun, ...options } = args[0];
        return engine.prune({ ...options, dryRun });
      }
      case 'retention':
        return engine.lastRetention();
      case 'artifact':
        return Buffer.from(await engine.artifact(convoy, ...args)).toString();
      case 'approve':
      case 'reject':
      case 'skip':
        return engine[word](convoy, args[0], { reason: args[1] });
      case 'accept':
        return engine.accept(convoy, args[0], args[1], { reason: args[2] });
      case 'inject':
        return engine.inject(convoy, args[0], { source: 'parity', key: args[1] });
      case 'resolve_dead_letter':
        return engine.resolveDeadLetter(convoy, ...args);
      case 'resolve_dispute':
        return engine.resolveDispute(convoy, ...args);
      default:
        return engine[word.replace('ask_', '')](convoy);
    }
  }

  /** Begins a run and reads its events to the end. */
  async #follow(word, args) {
    if (word === 'start') this.run = await this.engine.start(this.job.convoy, this.job.options);
    else if (word === 'resume') this.run = await this.engine.resume();
    else this.run = await this.engine[word](this.convoy, ...args);
    this.convoy = this.run.id;
    this.shared.run = this.run;
    for await (const event of this.run) {
      say(event);
      await this.#react(event);
      if (this.engine.closed) return null;
    }
    return this.run.result;
  }

  /** Does what the first rule says that fits the event. */
  async #react(event) {
    const fits = (rule) => rule.type === event.type && (rule.task === undefined || rule.task === event.task_id);
    const at = this.rules.findIndex(fits);
    if (at < 0) return;
    const [rule] = this.rules.splice(at, 1);
    for (const words of rule.do) await this.call(words);
  }
}

async function main(file) {
  const job = JSON.parse(fs.readFileSync(file, 'utf8'));
  const shared = new Shared(job);
  const { env, grace_ms: graceMs, actor, secrets, keep_convoys: keepConvoys } = job.engine;
  const engine = await Engine.open({
    repo: job.repository,
    adapters: job.adapters.map((given) => part(shared, given)),
    reviewRunner: job.reviewer ? part(shared, job.reviewer) : undefined,
    mergeQueue: job.queue ? part(shared) : undefined,
    gates: code(shared, 'gate', job.gates),
    prompts: code(shared, 'prompt', job.prompts),
    hooks: code(shared, 'hook', job.hooks),
    env,
    graceMs,
    actor,
    secrets,
    keepConvoys,
  });
  const drive = new Drive(job, engine, shared);
  for (const words of job.main) await drive.call(words);
  await engine.close();
  say({ end: true });
}

main(process.argv[2]);
