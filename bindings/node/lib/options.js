'use strict';
// What programs give as options: looked at here, so that what is wrong is named as the program knows it.

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === 'string';

/** The largest number that fits into 32 bits: the library would take one above for another number. */
const MOST_32 = 2 ** 32 - 1;

/** Whether a value is a whole number in a range; those that numbers of JavaScript cannot tell from others are none. */
const isWhole = (value, least, most) => Number.isSafeInteger(value) && value >= least && value <= most;

/** What values may be: a test, and its words. */
const KINDS = {
  text: [isText, 'a text'],
  folder: [(value) => isText(value) && value !== '', 'the path of a folder'],
  number: [(value) => isWhole(value, 0, Infinity), 'a whole number from 0'],
  small: [(value) => isWhole(value, 0, MOST_32), `a whole number from 0 to ${MOST_32}`],
  positive: [(value) => isWhole(value, 1, MOST_32), `a whole number from 1 to ${MOST_32}`],
  concurrency: [(value) => value === 'auto' || isWhole(value, 1, MOST_32), `'auto' or a whole number from 1 to ${MOST_32}`],
  flag: [(value) => typeof value === 'boolean', 'true or false'],
  object: [isObject, 'an object'],
  texts: [(value) => isObject(value) && Object.values(value).every((text) => text === undefined || isText(text)), 'an object of texts'],
  store: [(value) => value === 'sqlite' || value === 'memory', "'sqlite' or 'memory'"],
  // Not by its class: there are several of them.
  signal: [(value) => typeof value?.throwIfAborted === 'function' && typeof value.addEventListener === 'function', 'an AbortSignal'],
};

function show(value) {
  if (Array.isArray(value)) return 'an array';
  // JSON has no words for some numbers.
  if (typeof value === 'number' || typeof value === 'bigint') return `${value}`;
  return typeof value === 'object' || typeof value === 'function' ? `${value === null ? 'null' : typeof value}` : JSON.stringify(value);
}

/** Kinds of numbers: a number that is none of them is out of range, and anything else has the wrong type. */
const NUMBERS = new Set(['number', 'small', 'positive', 'concurrency']);

/** Refuses a value that is not of its kind. */
function mustFit(kind, what, value) {
  const [test, words] = KINDS[kind];
  if (test(value)) return value;
  if (kind === 'texts' && isObject(value)) {
    const [name, other] = Object.entries(value).find(([, text]) => text !== undefined && !isText(text));
    throw new TypeError(`${what} must be ${words}, but ${JSON.stringify(name)} is ${show(other)}`);
  }
  const Refusal = NUMBERS.has(kind) && typeof value === 'number' ? RangeError : TypeError;
  throw new Refusal(`${what} must be ${words}, not ${show(value)}`);
}

/** Refuses an option that is not of its kind. One that is undefined is not given. */
function mustBe(kind, name, value) {
  if (value !== undefined) mustFit(kind, `the option ${JSON.stringify(name)}`, value);
}

/** Refuses options that there are not, and those that are not of their kinds: a map of names to kinds, or to nothing. */
function mustKnow(kinds, given) {
  if (!isObject(given)) throw new TypeError(`options are an object, not ${show(given)}`);
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(kinds, name)) {
      throw new TypeError(`there is no option ${JSON.stringify(name)}: the options are ${Object.keys(kinds).join(', ')}`);
    }
    if (kinds[name] !== undefined) mustBe(kinds[name], name, value);
  }
  return given;
}

/** Options under the names of the library: a map of names to those. */
function renamed(names, given) {
  const known = Object.entries(given).filter(([name, value]) => Object.hasOwn(names, name) && value !== undefined);
  return Object.fromEntries(known.map(([name, value]) => [names[name], value]));
}

module.exports = { mustFit, mustKnow, renamed };
