// Reads all events of a convoy that has ended.
//
//     node read.js REPOSITORY CONVOY    prints how many there were and how many seconds that took
'use strict';

const { Engine } = require('convoy');

async function main(repo, convoy) {
  const engine = await Engine.open({ repo, env: process.env });
  const run = await engine.publish(convoy);
  await run.result;
  run.eventsAfter(0);
  const began = process.hrtime.bigint();
  let count = 0;
  for await (const event of run) {
    if (event._event_id !== undefined) count += 1;
  }
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  console.log(`for await (event of run)\t${count}\t${seconds}`);
  await engine.close();
}

main(process.argv[2], process.argv[3]);
