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
      /** `error` (the default), `refused`, `turn-limit`, `needs-input`, `auth`, `rate-limit` ... */
      failure_type?: string;
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
  readonly worker_id: string;
  readonly timeout_ms: number;
  readonly grace_ms: number;
  readonly read_only: boolean;
  readonly model?: string;
  readonly session?: string;
  readonly idle_ms?: number;
}

export interface AgentAnswer {
  outcome: 'succeeded' | 'failed' | 'cancelled';
  failure?: { message: string; failure_type?: string; output_tail?: string; retry_at?: string };
  exit_code?: number;
  session?: string;
  usage?: Usage;
  result_text?: string;
}

export interface CallContext {
  /** Aborted when the engine no longer wants the answer. */
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
  prepare(
    request: { readonly integration_ref: string; readonly tip: string; readonly work: string; readonly message: string },
    context: CallContext,
  ): Prepared | Promise<Prepared>;
  advance(
    request: { readonly integration_ref: string; readonly commit: string; readonly onto: string; readonly fence: number },
    context: CallContext,
  ): Advanced | Promise<Advanced>;
  settle(
    request: { readonly integration_ref: string; readonly commit: string; readonly onto: string },
    context: CallContext,
  ): Settled | Promise<Settled>;
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
  /** The whole environment of agents, gates and git; else `PATH` and `HOME` of this process. */
  env?: { readonly [name: string]: string };
  /** Else `.convoy` beside the main worktree. */
  stateDir?: string;
  /** What must never be stored, logged or shown. */
  secrets?: readonly string[];
  /** Who acts, for the record. */
  actor?: string;
  /** Between asking a program to end and killing it; 5000. */
  graceMs?: number;
  git?: string;
  store?: 'sqlite' | 'memory';
  /** `false`: fail where nothing is stored yet. */
  create?: boolean;
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
  /** Takes up a convoy that was interrupted or crashed: the newest, if none is named. */
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
  artifact(convoy: Convoy, task: string, name: string): Promise<Uint8Array>;

  /** Asks whoever runs it, also another process; so do the ones below. */
  pause(convoy: Convoy): Promise<void>;
  unpause(convoy: Convoy): Promise<void>;
  cancel(convoy: Convoy): Promise<void>;
  approve(convoy: Convoy, task: string, more?: { tree?: string; reason?: string }): Promise<void>;
  reject(convoy: Convoy, task: string, more?: { reason?: string }): Promise<void>;
  skip(convoy: Convoy, task: string, more?: { reason?: string }): Promise<void>;
  /** Takes a person's commit as the work of a task. */
  accept(convoy: Convoy, task: string, revision: string, more?: { reason?: string }): Promise<void>;
  /** Adds tasks (the text of an `inject.yml`). Gives the key of the request. */
  inject(convoy: Convoy, tasks: Spec, more?: { source?: string; key?: string }): Promise<string>;
  resolveDeadLetter(convoy: Convoy, id: string, resolution: string): Promise<void>;
  resolveDispute(convoy: Convoy, id: string, resolution: string): Promise<void>;
}
