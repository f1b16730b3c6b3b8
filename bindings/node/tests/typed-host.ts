// Compiled by the TypeScript compiler (--strict), not run: what a typed host writes, and what it must not be able to.
import { AgentFailed, ConvoyError, Engine, check, version } from 'convoy';
import type { Adapter, AgentRequest, Event, MergeQueue, Result, ReviewRunner } from 'convoy';

const adapter: Adapter = {
  capabilities: ['resume', 'usage'],
  async execute(request: AgentRequest, { signal, output, session }) {
    await output(`${request.prompt} in ${request.cwd}`, 'stderr');
    await session('s');
    if (signal.aborted) throw new AgentFailed('late', { failure_type: 'refused' });
    return { outcome: 'succeeded', usage: { input: 1 } };
  },
};
const reviewRunner: ReviewRunner = { review: ({ diff }) => (diff.length > 3 ? 'pass' : { verdict: 'block', text: 'short' }) };
const mergeQueue: MergeQueue = {
  prepare: ({ tip }) => ({ outcome: 'prepared', commit: tip }),
  advance: async () => ({ outcome: 'moved', now: null }),
  settle: () => ({ outcome: 'landed' }),
};

const engineOfCode = new Engine({
  repo: '.',
  gates: { judge: ({ diff }) => diff.length > 3, late: async () => ({ outcome: 'fail', reason: 'late' }) },
  prompts: { style: () => 'Be brief.', news: async () => ({ part: 'data', text: 'rain' }) },
  hooks: { stamp: ({ on, task }) => (on === 'post_convoy' && task === undefined ? undefined : 'no') },
  adapterLimits: { claude: { maxConcurrent: 2, staggerMs: 500 } },
});

export async function main(): Promise<string> {
  await using engine = await Engine.open({ repo: '.', adapters: { adapter, plain: () => 'said' }, reviewRunner, mergeQueue });
  new Engine({ repo: '.', adapters: [{ ...adapter, name: 'a' }] });
  const { ok, problems } = await check('');
  if (!ok) return problems.map(({ line, message }) => `${line}: ${message}`).join('\n');
  const granted: 'granted' | 'waits' | undefined = await engineOfCode.pause('x', { timeoutMs: 5 });
  if (granted === undefined) return 'not known yet';
  const run = await engine.start({ name: 'x' }, { concurrency: 'auto', signal: AbortSignal.abort() });
  for await (const event of run) {
    const { type }: Event = event;
    if (type === 'task_failed') run.cancel();
  }
  for await (const event of engine.events(run, 3)) console.log(event._event_id);
  try {
    const result: Result = await run.result;
    return result.ended;
  } catch (error) {
    if (error instanceof ConvoyError) return `${error.code} ${error.status} ${error.chain} ${version}`;
    throw error;
  }
}

// @ts-expect-error There must be a repository.
new Engine({});
// @ts-expect-error No such option.
new Engine({ repo: '.', adaptors: {} });
// @ts-expect-error An adapter does not answer with a number.
new Engine({ repo: '.', adapters: { adapter: () => 3 } });
