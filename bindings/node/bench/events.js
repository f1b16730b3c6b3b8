// How many events per second a Node host reads.
//
//     node events.js [NUMBER]        (100000 if not given)
//
// Pausing and going on makes stored events without any work of git. They are made first, while nobody reads, and then read
// by `for await (const event of run)` and by `engine.events`. Beside it stands how much of the time the JavaScript thread
// worked at all (the rest it waited for the engine), and how long it was kept from anything else.
'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { monitorEventLoopDelay, performance } = require('node:perf_hooks');

const { Engine } = require('convoy');

const SPEC = { name: 'bench', version: 1, adapter: 'waits', tasks: [{ id: 'one', prompt: 'Wait' }] };

/** Works until it is told to end. */
const waits = (_request, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

/** A run with so many stored events, of which none is read. */
async function prepare(engine, number) {
  const run = await engine.start(SPEC);
  let last = run.firstEventId - 1;
  for (let made = 0; made < number; ) {
    for (let times = 0; times < 1000; times++) {
      run.pause();
      run.unpause();
    }
    for await (const event of engine.events(run, last)) {
      made += 1;
      last = event._event_id;
    }
  }
  return run;
}

async function measure(name, events, number) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const before = performance.eventLoopUtilization();
  const began = process.hrtime.bigint();
  let count = 0;
  for await (const _event of events) {
    count += 1;
    if (count === number) break;
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  delay.disable();
  const busy = (performance.eventLoopUtilization(before).utilization * 100).toFixed(0);
  const longest = (delay.max / 1e6).toFixed(0);
  const speed = `${count} events in ${seconds.toFixed(2)} s, ${Math.round(count / seconds)} events/s`;
  console.log(`${name}: ${speed}; thread busy ${busy} %, longest delay ${longest} ms`);
}

async function main(number) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'convoy-bench-'));
  try {
    const repo = path.join(folder, 'repository');
    const env = { PATH: process.env.PATH, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };
    const identity = ['-c', 'user.name=Bench', '-c', 'user.email=bench@example.invalid'];
    execFileSync('git', ['init', '-q', repo], { env });
    execFileSync('git', [...identity, '-C', repo, 'commit', '-q', '--allow-empty', '-m', 'begin'], { env });
    const engine = await Engine.open({ repo, env, graceMs: 1000, adapters: { waits } });
    const run = await prepare(engine, number);
    await measure('for await (const event of run)', run, number);
    await measure('engine.events', engine.events(run), number);
    await engine.close();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

main(Number(process.argv[2] ?? 100_000));
