'use strict';
// Code of the program, called by the engine.

const native = require('./native');
const { AgentFailed, Cancelled, ConvoyError, describe } = require('./errors');
const { mustFit } = require('./options');

/** By the number that the addon knows (see src/channel.h). */
const QUESTIONS = ['execute', 'review', 'prepare', 'advance', 'settle', 'gate', 'prompt', 'hook'];
const NO_COMPLETION = 8;
const CANCELLED = '{"outcome":"cancelled"}';

/** What the code of one engine is. The engine keeps it; the map below does not. */
class Host {
  static #next = 1;
  static #all = new Map();
  static #gone = new FinalizationRegistry((key) => Host.#all.delete(key));

  constructor(adapters, reviewRunner, mergeQueue, code, log) {
    this.adapters = adapters;
    /** Gates, prompt sources and hooks: functions by kind and name. */
    this.code = code;
    /** Gets what the engine tells of itself. */
    this.log = log;
    this.reviewRunner = reviewRunner;
    this.mergeQueue = mergeQueue;
    this.key = Host.#next++;
    Host.#all.set(this.key, new WeakRef(this));
    Host.#gone.register(this, this.key);
  }

  #warned = false;

  /** Hands a record to the function of the program. */
  tell(text) {
    try {
      const { log } = this; // The host is not its `this`.
      const given = log(JSON.parse(text));
      if (typeof given?.then === 'function') given.then(undefined, (error) => this.#warn(error));
    } catch (error) {
      this.#warn(error);
    }
  }

  /** That the function fails is told once: it is no reason to end the process, nor to fill what reads its warnings. */
  #warn(error) {
    if (this.#warned) return;
    this.#warned = true;
    const detail = error instanceof Error && typeof error.stack === 'string' ? error.stack : undefined;
    const text = `the log function of an engine failed (told once for each engine): ${describe(error)}`;
    process.emitWarning(text, { type: 'ConvoyWarning', code: 'CONVOY_LOG', detail });
  }

  static get(key) {
    return Host.#all.get(key)?.deref();
  }

  /** The object that is asked. */
  asked(kind, request) {
    if (kind === 'execute') return this.adapters.get(request.adapter);
    const code = this.code[kind]?.get(request.name);
    if (code !== undefined) return { [kind]: code };
    return kind === 'review' ? this.reviewRunner : this.mergeQueue;
  }
}

/** Questions that are neither answered nor cancelled, by completion id. */
const calls = new Map();

class Call {
  #id;
  #kind;
  #controller = new AbortController();
  /** What was handed over before the answer, one piece after the other. */
  #handedOver = Promise.resolve();

  constructor(id, kind) {
    this.#id = id;
    this.#kind = kind;
    calls.set(id, this);
  }

  async run(object, request) {
    try {
      const value = await object[this.#kind](request, this.#context());
      if (this.#kind === 'execute' && this.#controller.signal.aborted && !isObject(value)) {
        // Whoever was cut off and just ends does not say that the work is whole.
        await this.#resolve(CANCELLED);
        return;
      }
      const answer = ANSWERS[this.#kind](value);
      const text = JSON.stringify(answer);
      if (text === undefined) throw new TypeError('the answer has no JSON');
      await this.#resolve(text);
    } catch (error) {
      await this.#failed(error);
    }
  }

  cancel() {
    calls.delete(this.#id);
    this.#controller.abort(new Cancelled());
  }

  #context() {
    const context = { signal: this.#controller.signal };
    if (this.#kind === 'execute' || this.#kind === 'review') {
      context.output = (data, stream = 'stdout') => {
        if (stream !== 'stdout' && stream !== 'stderr') throw new TypeError('the stream is "stdout" or "stderr"');
        return this.#hand(`completion_${stream}`, bytes(data));
      };
    }
    if (this.#kind === 'execute') {
      context.session = (text) => this.#hand('completion_session', String(text));
      context.started = (pid) => this.#hand('completion_started', null, mustFit('positive', 'pid', pid));
    }
    return context;
  }

  /** Hands something over, after what came before. Where nobody waits any more it does nothing. */
  #hand(operation, text, second) {
    const done = this.#handedOver
      .then(() => native.call(operation, null, [text], this.#id, second))
      .catch((error) => {
        if (error.status !== NO_COMPLETION) throw error;
      });
    this.#handedOver = done.catch(() => {});
    return done;
  }

  async #failed(error) {
    if (this.#controller.signal.aborted) {
      if (this.#kind === 'execute') await this.#resolve(CANCELLED);
      else await this.#reject('AbortError: cancelled');
      return;
    }
    if (error instanceof AgentFailed && this.#kind === 'execute') {
      await this.#resolve(JSON.stringify(error.answer));
      return;
    }
    const stack = error instanceof Error && typeof error.stack === 'string' ? error.stack : describe(error);
    if (this.#kind === 'execute' || this.#kind === 'review') {
      this.#hand('completion_stderr', Buffer.from(`${stack}\n`)).catch(() => {});
    }
    await this.#reject(describe(error));
  }

  async #resolve(text) {
    await this.#handedOver;
    try {
      native.callNow('completion_resolve', null, [text], this.#id);
    } catch (error) {
      if (error.status !== NO_COMPLETION) {
        // It is no answer, and the question is still open.
        const said = JSON.parse(text).failure?.message;
        const told = typeof said === 'string' ? `${said} (its answer is wrong, too: ${error.message})` : undefined;
        await this.#reject(told ?? `TypeError: the answer ${text.slice(0, 200)} is none: ${error.message}`);
        return;
      }
    }
    this.#over();
  }

  async #reject(message) {
    await this.#handedOver;
    reject(this.#id, message);
    this.#over();
  }

  #over() {
    calls.delete(this.#id);
    native.answered(this.#id);
  }
}

function reject(id, message) {
  try {
    native.callNow('completion_reject', null, [message], id);
  } catch (error) {
    if (!(error instanceof ConvoyError)) throw error;
  }
}

function bytes(data) {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  throw new TypeError('output is a string or bytes');
}

function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value) {
  return Array.isArray(value) ? 'an array' : typeof value;
}

function landing(value) {
  if (isObject(value)) return value;
  throw new TypeError(`a merge queue answers with an object, not ${kindOf(value)}`);
}

function verdict(value) {
  if (value === undefined || value === null || value === true) return { outcome: 'pass' };
  if (value === false) return { outcome: 'fail', reason: 'it answered no' };
  if (typeof value === 'string') return { outcome: 'fail', reason: value };
  if (isObject(value)) return value;
  throw new TypeError(`a gate or hook answers with nothing, a boolean, a reason or an object, not ${kindOf(value)}`);
}

/** What makes an answer of the value of the code. */
const ANSWERS = {
  execute(value) {
    if (value === undefined || value === null) return { outcome: 'succeeded' };
    if (typeof value === 'string') return { outcome: 'succeeded', result_text: value };
    if (isObject(value)) return value;
    throw new TypeError(`an adapter answers with nothing, a text or an object, not ${kindOf(value)}`);
  },
  review(value) {
    if (typeof value === 'string') return { verdict: value };
    if (isObject(value)) return value;
    throw new TypeError(`a reviewer answers with a verdict or an object, not ${kindOf(value)}`);
  },
  prepare: landing,
  advance: landing,
  settle: landing,
  gate: verdict,
  hook: verdict,
  prompt(value) {
    if (value === undefined || value === null) return { part: 'nothing' };
    if (typeof value === 'string') return { part: 'instructions', text: value };
    if (isObject(value)) return value;
    throw new TypeError(`a prompt source answers with nothing, a text or an object, not ${kindOf(value)}`);
  },
};

/** The engine asks. */
function ask(hostKey, question, id, text) {
  const kind = QUESTIONS[question];
  try {
    const request = JSON.parse(text);
    const object = Host.get(hostKey)?.asked(kind, request);
    if (object === undefined) {
      reject(id, 'the engine is gone');
      native.answered(id);
      return;
    }
    // Nothing of it is thrown: everything is an answer.
    new Call(id, kind).run(object, request);
  } catch (error) {
    reject(id, describe(error));
    native.answered(id);
  }
}

/** The engine no longer wants an answer. */
function cancel(id) {
  calls.get(id)?.cancel();
}

module.exports = { Host, ask, cancel };
