'use strict';
// Finds and loads the addon, which has libconvoy beside it.

const { existsSync } = require('node:fs');
const path = require('node:path');

const BUILT = path.join(__dirname, '..', 'build', 'Release', 'convoy.node');
const PREBUILT = `@convoy/${process.platform}-${process.arch}`;

function load() {
  let file = BUILT;
  if (!existsSync(file)) {
    try {
      file = require.resolve(PREBUILT);
    } catch (cause) {
      const text =
        `convoy has no addon for ${process.platform} ${process.arch}: the optional package ${PREBUILT} is not installed, ` +
        `and nothing was built at ${BUILT}. Install that package, or build the addon: ` +
        'CONVOY_LIB_DIR=<folder of libconvoy> npm rebuild convoy';
      throw Object.assign(new Error(text, { cause }), { code: 'CONVOY_NO_ADDON' });
    }
  }
  try {
    return require(file);
  } catch (cause) {
    if (cause.code === 'CONVOY_ABI') throw cause;
    const text = `the addon of convoy cannot be loaded from ${file}: ${cause.message}`;
    throw Object.assign(new Error(text, { cause }), { code: 'CONVOY_BAD_ADDON' });
  }
}

module.exports = load();
