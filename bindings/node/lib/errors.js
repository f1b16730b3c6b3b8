'use strict';

/** A call of the library failed. */
class ConvoyError extends Error {
  /**
   * @param {number} status as in convoy.h
   * @param {string} code its name, such as CONVOY_BUSY
   * @param {string} message what went wrong and what to do about it
   * @param {string} chain the message with those of its causes
   * @param {string} details JSON, or empty
   */
  constructor(status, code, message, chain = '', details = '') {
    super(message || code);
    this.status = status;
    this.code = code;
    this.chain = chain || this.message;
    this.details = details ? JSON.parse(details) : undefined;
  }

  get name() {
    return 'ConvoyError';
  }
}

/** Thrown by an adapter: the agent failed, and this is known of it. */
class AgentFailed extends Error {
  /**
   * @param {string} message
   * @param {object} [more] failure_type, output_tail, retry_at, exit_code, session, usage
   */
  constructor(message, { failure_type = 'error', output_tail, retry_at, exit_code, session, usage, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    /** The answer that the engine is given. */
    this.answer = {
      outcome: 'failed',
      failure: { message: this.message, failure_type, output_tail, retry_at },
      exit_code,
      session,
      usage,
    };
  }

  get name() {
    return 'AgentFailed';
  }
}

/** The reason of the signal of a call whose answer the engine no longer wants. */
class Cancelled extends Error {
  constructor() {
    super('the engine no longer wants the answer');
    this.code = 'ABORT_ERR';
  }

  get name() {
    return 'AbortError';
  }
}

/** Name and message of whatever was thrown, and of its causes. */
function describe(thrown) {
  const parts = [];
  for (let error = thrown; error !== undefined && error !== null && parts.length < 8; error = error.cause) {
    if (!(error instanceof Error) && typeof error.message !== 'string') {
      parts.push(typeof error === 'object' ? Object.prototype.toString.call(error) : String(error));
      break;
    }
    const name = error.name || 'Error';
    parts.push(error.message ? `${name}: ${error.message}` : `${name}`);
  }
  return parts.length > 0 ? parts.join(', caused by ') : `threw ${thrown}`;
}

module.exports = { AgentFailed, Cancelled, ConvoyError, describe };
