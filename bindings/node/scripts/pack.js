'use strict';
// node pack.js LIBRARY_FOLDER OUTPUT_FOLDER : makes the packages, as npm takes them: `convoy`, and the one with the addon for this
// platform (built before, by node-gyp). Prints their paths.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

if (process.argv.length !== 4) {
  console.error('usage: node pack.js LIBRARY_FOLDER OUTPUT_FOLDER');
  process.exit(2);
}
const [library, output] = process.argv.slice(2).map((folder) => path.resolve(folder));
const home = path.join(__dirname, '..');
const root = path.join(home, '..', '..');
const about = JSON.parse(fs.readFileSync(path.join(home, 'package.json'), 'utf8'));
const platform = `${process.platform}-${process.arch}`;
const shared = process.platform === 'darwin' ? 'libconvoy.dylib' : 'libconvoy.so';

/** A folder with these files and package.json, packed. */
function pack(folder, description) {
  for (const license of ['LICENSE-MIT', 'LICENSE-APACHE']) {
    fs.copyFileSync(path.join(root, license), path.join(folder, license));
  }
  fs.writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(description, null, 2)}\n`);
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', output], { cwd: folder, encoding: 'utf8' });
  const [{ filename }] = JSON.parse(packed);
  console.log(path.join(output, filename.replace('@', '').replace('/', '-')));
}

const addon = path.join(home, 'build', 'Release', 'convoy.node');
for (const [file, made] of [
  [path.join(library, shared), 'build the library first, with `cargo build --release -p convoy-ffi`, and name the folder that it is in'],
  [addon, `build the addon first, in ${home}, with \`CONVOY_LIB_DIR=${library} node-gyp rebuild\``],
]) {
  if (!fs.existsSync(file)) {
    console.error(`pack.js: there is no ${file}: ${made}`);
    process.exit(1);
  }
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'convoy-pack-'));
try {
  fs.mkdirSync(output, { recursive: true });
  const prebuilt = path.join(scratch, 'prebuilt');
  fs.mkdirSync(prebuilt);
  fs.copyFileSync(addon, path.join(prebuilt, 'convoy.node'));
  fs.copyFileSync(path.join(library, shared), path.join(prebuilt, shared));
  pack(prebuilt, {
    name: `@convoy/${platform}`,
    version: about.version,
    description: `The addon of convoy for ${platform}`,
    license: about.license,
    main: 'convoy.node',
    os: [process.platform],
    cpu: [process.arch],
    ...(process.platform === 'linux' ? { libc: ['glibc'] } : {}),
    engines: about.engines,
    files: ['convoy.node', shared],
  });

  const main = path.join(scratch, 'main');
  fs.mkdirSync(path.join(main, 'scripts'), { recursive: true });
  for (const part of ['lib', 'src']) fs.cpSync(path.join(home, part), path.join(main, part), { recursive: true });
  for (const part of ['README.md', 'binding.gyp', 'scripts/install.js']) {
    fs.copyFileSync(path.join(home, part), path.join(main, part));
  }
  fs.mkdirSync(path.join(main, 'include'));
  fs.copyFileSync(path.join(root, 'include', 'convoy.h'), path.join(main, 'include', 'convoy.h'));
  fs.mkdirSync(path.join(main, 'doc'));
  for (const page of ['REFERENCE.md', 'EVENTS.md']) {
    fs.copyFileSync(path.join(root, 'convoy-core', page), path.join(main, 'doc', page));
  }
  pack(main, { ...about, optionalDependencies: { [`@convoy/${platform}`]: about.version } });
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
