'use strict';

const native = require('./native');
const { mustFit } = require('./options');

const TIMED_OUT = 201;
const END = 202;
/** Events that are fetched at once. */
const BATCH = 512;

/** Runs that somebody waits for: they must not be collected. */
const awaited = new Map();

function hold(run) {
  awaited.set(run, (awaited.get(run) ?? 0) + 1);
  native.hold(true);
}

function release(run) {
  const left = awaited.get(run) - 1;
  if (left > 0) awaited.set(run, left);
  else awaited.delete(run);
  native.hold(false);
}

/** A run of a convoy in this process, from start, resume, retry or publish to its end. */
class Run {
  static #keys = 1;
  /** Those that wait for an event, by the key that the addon knows. */
  static #waiting = new Map();

  #handle;
  #key = Run.#keys++;
  #woken = false;
  #events = [];
  #at = 0;
  #over = false;
  #result;

  constructor(engine, handle) {
    this.engine = engine;
    this.#handle = handle;
    this.id = native.callNow('run_id', handle);
  }

  /** There are events. */
  static wake(key) {
    const run = Run.#waiting.get(key);
    if (run === undefined) return;
    Run.#waiting.delete(key);
    for (const wake of run.resolvers.splice(0)) wake();
  }

  get firstEventId() {
    return native.callNow('run_first_event_id', this.#handle);
  }

  get done() {
    try {
      return native.callNow('run_look', this.#handle) !== TIMED_OUT;
    } catch {
      return true; // It ended with an error.
    }
  }

  get result() {
    if (this.#result === undefined) {
      hold(this);
      this.#result = native
        .callThread('run_wait', this.#handle)
        .then(JSON.parse)
        .finally(() => release(this));
    }
    return this.#result;
  }

  eventsAfter(eventId) {
    native.callNow('run_events_after', this.#handle, null, mustFit('number', 'eventId', eventId));
    return this;
  }

  pause() {
    native.callNow('run_pause', this.#handle);
  }

  unpause() {
    native.callNow('run_unpause', this.#handle);
  }

  cancel() {
    native.callNow('run_cancel', this.#handle);
  }

  interrupt(reason) {
    native.callNow('run_interrupt', this.#handle, [reason]);
  }

  [Symbol.asyncIterator]() {
    return {
      next: () => this.#next(),
      return: async (value) => ({ value, done: true }),
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  async #next() {
    while (this.#at === this.#events.length) {
      if (this.#over) return { value: undefined, done: true };
      if (!this.#read()) await this.#wait();
    }
    const value = this.#events[this.#at];
    this.#events[this.#at++] = undefined;
    return { value, done: false };
  }

  /** Fetches what is there; whether anything was. */
  #read() {
    const found = native.callNow('run_next_events', this.#handle, null, BATCH);
    if (typeof found === 'string') {
      this.#events = JSON.parse(found);
      this.#at = 0;
      return true;
    }
    this.#over = found === END;
    return this.#over;
  }

  async #wait() {
    hold(this);
    try {
      await new Promise((resolve) => {
        const waiting = Run.#waiting.get(this.#key);
        if (waiting === undefined) Run.#waiting.set(this.#key, { resolvers: [resolve] });
        else waiting.resolvers.push(resolve);
        if (!this.#woken) {
          this.#woken = true;
          native.setWake(this.#handle, this.#key);
        }
      });
    } finally {
      release(this);
    }
  }
}

module.exports = { Run };
