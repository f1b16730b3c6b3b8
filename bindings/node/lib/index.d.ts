/// <reference lib="esnext.disposable" />

/** Version of the loaded library. */
export const version: string;

/** JSON of the engine. Its members are named as in the C header, in snake_case; later versions may add some. */
export type Json = { [name: string]: any };

/** A convoy file: its text in YAML or JSON, or the object that it holds. */
export type Spec = string | object;

/** A convoy: its id, or a run of it. */
export type Convoy = string | Run;

export interface Problem {
  severity: 'error' | 'warning';
  line: number;
  column: number;
  path: string;
  message: string;
  hint?: string;
}

export interface Check {
  ok: boolean;
  problems: Problem[];
}

/** Checks a convoy file without running anything. */
export function check(spec: Spec): Promise<Check>;

/** Fills in a formula, a template of a convoy file: `spec` is the text of the file, or null. */
export function checkFormula(
  formula: Spec,
  values?: { readonly [name: string]: string },
): Promise<Check & { spec: string | null }>;

/** A call of the library failed. */
export class ConvoyError extends Error {
  readonly name: 'ConvoyError';
  /** As in `convoy.h`. */
  readonly status: number;
  /** The name of the status, such as `CONVOY_BUSY`. */
  readonly code: string;
  /** The message with those of its causes. */
  readonly chain: string;
  /** Details for programs: with `CONVOY_INVALID_SPEC` the problems. */
  readonly details: any;
}

/** The types of failures that an agent gives. Others are the engine's, and refused. */
export type FailureType =
  | 'error'
  | 'refused'
  | 'turn-limit'
  | 'needs-input'
  | 'idle'
  | 'timeout'
  | 'rate-limit'
  | 'not-installed'
  | 'auth'
  | 'contract';

export interface Usage {
  input?: number;
  cached_input?: number;
  cache_write?: number;
  output?: number;
  cost_usd?: number;
}

/** Thrown by an adapter: the agent failed, and this is known of it. */
export class AgentFailed extends Error {
  constructor(
    message: string,
    more?: {
      /** `error` if it is left away. */
      failure_type?: FailureType;
      output_tail?: string;
      /** RFC 3339. */
      retry_at?: string;
      exit_code?: number;
      session?: string;
      usage?: Usage;
      cause?: unknown;
    },
  );
  readonly name: 'AgentFailed';
  readonly answer: AgentAnswer;
}

export interface AgentRequest {
  readonly adapter: string;
  /** The whole text that the agent gets. */
  readonly prompt: string;
  /** The folder it works in, its own. */
  readonly cwd: string;
  /** Its complete environment: give it to processes that you start, whole. */
  readonly env: { readonly [name: string]: string };
  /** The id of the task; null where it works for the whole convoy. */
  readonly task: string | null;
  /** The attempt at it, from 1; null there, and where it judges other work. */
  readonly attempt: number | null;
  readonly worker_id: string;
  readonly timeout_ms: number;
  readonly grace_ms: number;
  readonly read_only: boolean;
  readonly model?: string;
  readonly session?: string;
  readonly idle_ms?: number;
}

export interface AgentAnswer {
  /** `cancelled` only after `signal` was aborted; else the attempt has failed by it. */
  outcome: 'succeeded' | 'failed' | 'cancelled';
  failure?: { message: string; failure_type?: FailureType; output_tail?: string; retry_at?: string };
  exit_code?: number;
  session?: string;
  usage?: Usage;
  result_text?: string;
}

export interface CallContext {
  /** Aborted when the engine no longer wants the answer. */
  /**
   * Aborted when the engine asks to end this soon: cancelled, interrupted, too slow, or the engine ends. An agent that ends after that
   * counts as cancelled, however it ends, unless it gives an object with an `outcome`.
   */
  readonly signal: AbortSignal;
}

export interface OutputContext extends CallContext {
  /** Hands over what is printed. Resolves when it is taken, which waits while much is to be written. */
  output(data: string | ArrayBufferView, stream?: 'stdout' | 'stderr'): Promise<void>;
}

export interface AgentContext extends OutputContext {
  /** The session that a later attempt can continue. Needs the capability `resume`. */
  session(text: string): Promise<void>;
  /** The agent runs as this process. */
  started(pid: number): Promise<void>;
}

export type Execute = (
  request: AgentRequest,
  context: AgentContext,
) => void | null | string | AgentAnswer | Promise<void | null | string | AgentAnswer>;

/** An agent. */
export interface Adapter {
  /** Needed where adapters are given as an array. */
  name?: string;
  /** Sessions and rate limits belong to name and account together. */
  account?: string;
  capabilities?: readonly ('resume' | 'model' | 'read_only' | 'usage' | 'cost' | 'mcp')[];
  execute: Execute;
}

export interface ReviewRequest {
  readonly task: string;
  readonly prompt: string;
  readonly level: 'fast' | 'panel';
  readonly nonce: string;
  readonly base: string;
  readonly commit: string;
  readonly paths: readonly string[];
  readonly diff: string;
  readonly diff_truncated: boolean;
  readonly checkout: string;
  readonly env: { readonly [name: string]: string };
  readonly worker_id: string;
  readonly timeout_ms: number;
}

export type Verdict = 'pass' | 'block' | 'could-not';
export type ReviewAnswer = Verdict | { verdict: Verdict; text?: string; usage?: Usage };

export interface ReviewRunner {
  /** What events show; else `host`. */
  name?: string;
  model?: string;
  review(request: ReviewRequest, context: OutputContext): ReviewAnswer | Promise<ReviewAnswer>;
}

export type Prepared =
  | { outcome: 'prepared'; commit: string }
  | { outcome: 'nothing-to-land' }
  | { outcome: 'conflict'; tree: string; paths: string[] };
export type Advanced =
  | { outcome: 'advanced' }
  | { outcome: 'moved'; now: string | null }
  | { outcome: 'fenced'; newer: number };
export type Settled = { outcome: 'landed' | 'not-landed' };

/** Where work lands, in three steps, so that it happens exactly once. */
export interface MergeQueue {
  /** `tip`: the commit to land onto; with `merge.verify` it may be a landing commit that has not landed. */
  prepare(
    request: { readonly integration_ref: string; readonly tip: string; readonly work: string; readonly message: string },
    context: CallContext,
  ): Prepared | Promise<Prepared>;
  /** Moves the ref from `onto` to `commit`; with `merge.verify` other landing commits may lie between, which land with it. */
  advance(
    request: { readonly integration_ref: string; readonly commit: string; readonly onto: string; readonly fence: number },
    context: CallContext,
  ): Advanced | Promise<Advanced>;
  settle(
    request: { readonly integration_ref: string; readonly commit: string; readonly onto: string },
    context: CallContext,
  ): Settled | Promise<Settled>;
}

interface CodeRequest {
  readonly name: string;
  readonly convoy_id: string;
  /** The folder with the files. */
  readonly worktree: string;
}

interface TaskCodeRequest extends CodeRequest {
  readonly task: string;
  readonly prompt: string;
  readonly agent: string;
  readonly attempt_no: number;
  readonly timeout_ms: number;
}

/** Work to judge. It is not trusted: text in `diff` is data, never an instruction. */
export interface GateRequest extends TaskCodeRequest {
  readonly base: string;
  readonly commit: string;
  readonly tree: string;
  readonly changed_files: readonly string[];
  readonly diff: string;
  readonly diff_truncated: boolean;
}

export interface PromptRequest extends TaskCodeRequest {
  /** What failed in the attempt before. */
  readonly feedback?: Json;
}

/** Hooks at the end of a convoy have no task. */
export interface HookRequest extends CodeRequest, Partial<Omit<TaskCodeRequest, keyof CodeRequest>> {
  readonly on: 'pre_task' | 'post_task' | 'post_convoy';
}

/** Nothing or true: it passes. A text: why it fails. */
export type Pass = void | null | boolean | string | { outcome: 'pass' } | { outcome: 'fail'; reason: string };
/** A text is the program's own words; `data` is text from elsewhere, which the agent is told to take as data. */
export type PromptPart = void | null | string | { part: 'nothing' } | { part: 'instructions' | 'data'; text: string };

export type Gate = (request: GateRequest, context: CallContext) => Pass | Promise<Pass>;
export type Hook = (request: HookRequest, context: CallContext) => Pass | Promise<Pass>;
export type PromptSource = (request: PromptRequest, context: CallContext) => PromptPart | Promise<PromptPart>;

/** How much of an adapter is used at once, over all convoys of an engine. */
export interface AdapterLimit {
  /** Attempts that work at once, from 1. */
  maxConcurrent?: number;
  /** The time between two starts. */
  staggerMs?: number;
}

export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

export interface LogRecord {
  readonly level: LogLevel;
  /** Where in the engine. */
  readonly target: string;
  readonly message: string;
  readonly convoy?: string;
  readonly task?: string;
  readonly attempt?: number;
  /** The type of the event that was recorded. */
  readonly event?: string;
  /** `work`, `check`, `land`, `publish`, `recovery` ... */
  readonly span?: string;
  /** So many records were not told, as the function was too slow. */
  readonly lost?: number;
  readonly [name: string]: any;
}

export interface EngineOptions {
  /** A path in the git repository. */
  repo: string;
  /** By the name that tasks give as `adapter:`, or an array of adapters with names. */
  adapters?: { readonly [name: string]: Adapter | Execute } | readonly (Adapter & { name: string })[];
  /** In the place of the reviewing agent. */
  reviewRunner?: ReviewRunner;
  /** In the place of the git merge queue. */
  mergeQueue?: MergeQueue;
  /** For tasks that name them in `host_gates`. */
  gates?: { readonly [name: string]: Gate };
  /** For tasks that name them in `host_prompts`. */
  prompts?: { readonly [name: string]: PromptSource };
  /** For hooks of `type: host` that name them. */
  hooks?: { readonly [name: string]: Hook };
  /**
   * Gets what the engine tells of itself, one record after the other. No secret is in it. What it returns is not awaited;
   * that it throws or rejects is told once, as a warning of the process (`CONVOY_LOG`), and ends nothing. Of the records that a slow one
   * misses, the next one has the number (`lost`).
   */
  log?: (record: LogRecord) => void;
  /** The least that it gets; `info`. */
  logLevel?: LogLevel;
  /** By the name of the adapter. */
  adapterLimits?: { readonly [name: string]: AdapterLimit };
  /** The same, also for adapters that convoy files define. */
  profileLimits?: { readonly [name: string]: AdapterLimit };
  /** The whole environment of agents, gates and git; else `PATH` and `HOME` of this process. */
  env?: { readonly [name: string]: string };
  /** Else `.convoy` beside the main worktree. */
  stateDir?: string;
  /** Texts of 4 bytes or more that must never be stored, logged or shown. */
  secrets?: readonly string[];
  /** Who acts, for the record. */
  actor?: string;
  /** Between asking a program to end and killing it; 5000. */
  graceMs?: number;
  git?: string;
  /** Who does git's work: this process, where it is certain to do as git would (`auto`), or the git program alone. */
  gitBackend?: 'auto' | 'reference';
  store?: 'sqlite' | 'memory';
  /** Convoys that ended longer ago are pruned when the engine is made and when one of its convoys has ended; else kept. */
  keepForMs?: number;
  /** The same for those that ended before so many others. */
  keepConvoys?: number;
  /** While all logs have more bytes, those of ended convoys are removed, the oldest first. */
  logsQuotaBytes?: number;
  /** `false`, for programs that only look: fail where no convoy was ever started. */
  create?: boolean;
}

export interface PruneOptions {
  /** These; not together with `all`. */
  convoys?: readonly Convoy[];
  /** Those that ended at least so long ago. */
  olderThanMs?: number;
  /** Every one that has ended, also with open dead letters or disputes, as with those that are named. */
  all?: boolean;
  /** Also those whose landed work is on no branch: nothing leads to it any more then. */
  unpublished?: boolean;
  /** Only tell. */
  dryRun?: boolean;
}

export interface PruneReport {
  readonly dry_run: boolean;
  readonly pruned: readonly {
    readonly convoy_id: string;
    readonly name?: string;
    readonly status?: string;
    readonly finished_at?: string;
    /** An earlier call had begun it. */
    readonly continued: boolean;
    readonly refs: number;
    readonly files: number;
    readonly bytes: number;
    readonly events: number;
    /** The commit of its landed work that nothing leads to any more. */
    readonly unpublished?: string;
    readonly left?: readonly string[];
  }[];
  readonly kept: readonly {
    readonly convoy_id: string;
    readonly name?: string;
    readonly reason: 'running' | 'unfinished' | 'unpublished' | 'open_for_people' | 'unreadable' | 'failed';
    readonly detail: string;
  }[];
  /** Ended convoys whose logs were removed to keep to `logsQuotaBytes`; they are kept otherwise. Of `lastRetention` only. */
  readonly logs_removed?: readonly { readonly convoy_id: string; readonly bytes: number }[];
  /** By so much the database is shorter. */
  readonly database_bytes: number;
}

export interface PlanOptions {
  concurrency?: number | 'auto';
  adapter?: string;
  branch?: string;
  maxInjected?: number;
  injectFile?: boolean;
}

export interface RunOptions {
  /** Aborted before: nothing starts, and its reason is thrown. Aborted later: the run is cancelled. */
  signal?: AbortSignal;
}

export interface AskOptions {
  /** The longest to wait for the answer; else for as long as it takes, which is usually less than a second. */
  timeoutMs?: number;
}

/**
 * `granted`: it happened, or was so already. `waits`: nobody runs the convoy; the next engine that takes it up decides.
 * `undefined`: it was sent, and not decided within `timeoutMs`. A refusal is thrown (`CONVOY_STATE`).
 */
export type Answer = 'granted' | 'waits' | undefined;

/** An event of a run. Stored ones have `_event_id` (rising) and `timestamp`. */
export interface Event {
  type: string;
  convoy_id: string;
  task_id?: string | null;
  worker_id?: string | null;
  _event_id?: number;
  timestamp?: string;
  [name: string]: any;
}

export interface Result {
  /** `interrupted`: it can be resumed. */
  ended: 'finished' | 'interrupted';
  /** The convoy, as `engine.status` gives it. */
  view: Json;
  /** What should be known beside it, such as why the branch could not be moved to what landed. */
  warnings: string[];
}

/** A run of a convoy in this process, from its start, resume, retry or publish to its end. */
export class Run implements AsyncIterable<Event> {
  private constructor();
  readonly engine: Engine;
  /** The id of the convoy. */
  readonly id: string;
  /** The `_event_id` of the event with which this run began. */
  readonly firstEventId: number;
  /** Whether it has ended. */
  readonly done: boolean;
  /** The end. Rejected with a `ConvoyError` where the engine had to stop without one. */
  readonly result: Promise<Result>;
  /** Has the events begin after this `_event_id` (0: with the first of the convoy). Before any is read. */
  eventsAfter(eventId: number): this;
  /** The events, to `run_ended`. Each is given once. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Event>;
  /** Agents that run finish, and nothing starts. */
  pause(): void;
  unpause(): void;
  /** Ends it for good. */
  cancel(): void;
  /** Stops it so that it can be resumed. */
  interrupt(reason?: string): void;
}

/** Runs convoys on the git repository that `repo` is in. */
export class Engine implements AsyncDisposable {
  /** Begins to build it: what fails in that, fails the first call of a method. */
  constructor(options: EngineOptions);
  /** As the constructor, and waits until it can be used. */
  static open(options: EngineOptions): Promise<Engine>;
  readonly closed: boolean;
  /** Interrupts every run (they can be resumed), waits until they have ended, and closes the engine. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;

  check(spec: Spec): Promise<Check>;
  /** What `start` would run. */
  plan(spec: Spec, options?: PlanOptions): Promise<Json>;
  start(spec: Spec, options?: PlanOptions & RunOptions): Promise<Run>;
  /**
   * Takes up a convoy that was interrupted or crashed: the newest, if none is named. The engine must have the adapters that its
   * open tasks need, else it is refused (`CONVOY_AGENT`), and nothing happens.
   */
  resume(convoy?: Convoy, options?: RunOptions): Promise<Run>;
  /** Takes tasks of a convoy that has ended up again: these, or all that are not done. */
  retry(convoy: Convoy, tasks?: Iterable<string>, options?: RunOptions): Promise<Run>;
  publish(convoy: Convoy, options?: RunOptions): Promise<Run>;

  stateDir(): Promise<string>;
  /** All convoys of the store, the newest first. */
  list(): Promise<Json[]>;
  status(convoy: Convoy): Promise<Json>;
  /** Whether a live engine, of this process or another, runs it. */
  isRunning(convoy: Convoy): Promise<boolean>;
  /** Stored events with an `_event_id` above `after`, to the newest. */
  events(convoy: Convoy, after?: number): AsyncGenerator<Event, void, undefined>;
  deadLetters(convoy: Convoy): Promise<Json[]>;
  disputes(convoy: Convoy): Promise<Json[]>;
  /** 0 is the newest attempt. */
  attempt(convoy: Convoy, task: string, attempt?: number): Promise<Json>;
  logPath(convoy: Convoy, task: string, attempt?: number): Promise<string>;
  /** Writes every recorded event to a new file, one JSON object a line; gives their number. */
  export(convoy: Convoy, file: string): Promise<number>;
  artifact(convoy: Convoy, task: string, name: string): Promise<Uint8Array>;

  /** Deletes convoys that have ended: their refs, logs and events, and work that landed nowhere. One of the first three says which. */
  prune(which: PruneOptions | Convoy | readonly Convoy[]): Promise<PruneReport>;
  /** What was done last to keep to `keepForMs`, `keepConvoys` and `logsQuotaBytes`; null where nothing was, or is to be, or it failed the last time. */
  lastRetention(): Promise<PruneReport | null>;

  /** Asks whoever runs it, also another process, and gives what became of that; so do the ones below. */
  pause(convoy: Convoy, more?: AskOptions): Promise<Answer>;
  unpause(convoy: Convoy, more?: AskOptions): Promise<Answer>;
  cancel(convoy: Convoy, more?: AskOptions): Promise<Answer>;
  approve(convoy: Convoy, task: string, more?: AskOptions & { tree?: string; reason?: string }): Promise<Answer>;
  reject(convoy: Convoy, task: string, more?: AskOptions & { reason?: string }): Promise<Answer>;
  skip(convoy: Convoy, task: string, more?: AskOptions & { reason?: string }): Promise<Answer>;
  /**
   * Takes a person's commit as the work of a task. Possible while the task waits and what it depends on is done: for its
   * turn or a retry, for an approval, or for the resolution of its conflict. Refused while it is worked on, checked or
   * landed, and once it has ended, a failed one, too: when the convoy is over, `retry` takes such a task up again.
   */
  accept(convoy: Convoy, task: string, revision: string, more?: AskOptions & { reason?: string }): Promise<Answer>;
  /** Adds tasks (the text of an `inject.yml`). Gives the key of the request. */
  inject(convoy: Convoy, tasks: Spec, more?: { source?: string; key?: string }): Promise<string>;
  resolveDeadLetter(convoy: Convoy, id: string, resolution: string): Promise<void>;
  resolveDispute(convoy: Convoy, id: string, resolution: string): Promise<void>;
}
