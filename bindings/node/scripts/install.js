'use strict';
// When the package is installed: builds the addon, unless there is a prebuilt one for this platform.

const { spawnSync } = require('node:child_process');
const path = require('node:path');

const prebuilt = `@convoy/${process.platform}-${process.arch}`;

function found() {
  try {
    require.resolve(prebuilt);
    return true;
  } catch {
    return false;
  }
}

if (process.env.CONVOY_LIB_DIR || !found()) {
  if (!process.env.CONVOY_LIB_DIR) {
    console.error(
      `convoy: there is no prebuilt addon (${prebuilt}). To build one, set CONVOY_LIB_DIR to the folder of a libconvoy ` +
        '(`cargo build --release -p convoy-ffi` makes target/release) and install again.',
    );
    process.exit(1);
  }
  // npm puts its node-gyp on the PATH of such programs; CONVOY_NODE_DIR has the headers of Node where they cannot be fetched.
  const headers = process.env.CONVOY_NODE_DIR ? [`--nodedir=${process.env.CONVOY_NODE_DIR}`] : [];
  const built = spawnSync('node-gyp', ['rebuild', ...headers], { cwd: path.join(__dirname, '..'), stdio: 'inherit' });
  if (built.error) console.error(`convoy: node-gyp cannot be run: ${built.error.message}`);
  process.exit(built.status ?? 1);
}
