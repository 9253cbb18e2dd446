import type { FastifyReply } from 'fastify';
import { Type, type Static } from 'typebox';
import { outcomes } from '../core/decision.ts';
import type { HandledSignal } from '../core/handled-signal.ts';
import type { Millis } from '../core/vocabulary.ts';

/** How far a signal is enforced. */
export type Enforcement = {
  readonly state: 'complete' | 'partial' | 'pending' | 'no_points';
  readonly expected: number;
  readonly applied: number;
  readonly contained: number;
  readonly exposed: readonly {
    readonly point: string;
    readonly instance: string;
    readonly until_ms?: Millis;
  }[];
  /** From commit to the arrival of the receipt, both by the hub's clock, over the instances that were there. */
  readonly p50_ms?: number;
  readonly p99_ms?: number;
};

/** A signal that has put or lifted something: `lastSeq` is the position that carries the whole of it. */
export type EnforceableSignal = Pick<HandledSignal, 'signalId'> & { readonly lastSeq: number };

export type EnforcementView = {
  /** As it is at the moment of a commit, from memory: whoever is there has not confirmed yet. */
  atCommit(): Enforcement;
  now(signal: EnforceableSignal): Promise<Enforcement>;
  /** Resolves when it is complete, when there is nobody to wait for, at the timeout, or at `stop`. */
  wait(signal: EnforceableSignal, timeoutMs: Millis, stop: AbortSignal): Promise<Enforcement>;
};

const waitMsMax = 30_000;
/** How long `wait=enforced` waits when its caller does not say. */
const waitMsDefault = 5_000;
/** Of every door that takes signals. */
export const SignalQuery = Type.Object(
  {
    dry_run: Type.Optional(
      Type.Boolean({ default: false, description: 'Decide, show what would be hit, write nothing.' }),
    ),
    wait: Type.Optional(
      Type.Literal('enforced', { description: 'Answer when every point has confirmed, or at the timeout.' }),
    ),
    timeout_ms: Type.Optional(Type.Integer({ minimum: 0, maximum: waitMsMax, default: waitMsDefault })),
  },
  { additionalProperties: false },
);

/** How far a signal is enforced, wherever it is told. */
export const enforcementMembers = {
  state: Type.Enum(['complete', 'partial', 'pending', 'no_points']),
  expected: Type.Integer(),
  applied: Type.Integer(),
  contained: Type.Integer(),
  exposed: Type.Array(
    Type.Object({ point: Type.String(), instance: Type.String(), until_ms: Type.Optional(Type.Integer()) }),
  ),
  p50_ms: Type.Optional(Type.Number()),
  p99_ms: Type.Optional(Type.Number()),
};
const EnforcementReply = Type.Object({ ...enforcementMembers, url: Type.String() });

export const SignalAnswer = Type.Object(
  {
    signal_id: Type.Optional(Type.String({ description: 'Absent in a dry run.' })),
    duplicate: Type.Boolean(),
    dry_run: Type.Optional(Type.Literal(true)),
    decision: Type.Object({
      outcome: Type.Enum([...outcomes]),
      rule: Type.String(),
      policy_version: Type.String(),
      text: Type.String(),
    }),
    revocations: Type.Array(
      Type.Object({
        id: Type.Optional(Type.String()),
        position: Type.Optional(Type.String()),
        effect: Type.String(),
        match: Type.Object({}, { additionalProperties: true }),
        cut_off: Type.Optional(Type.Integer()),
        lapses_at: Type.Optional(Type.Integer()),
        agent: Type.Optional(Type.String()),
        merged: Type.Optional(Type.Boolean({ description: 'An earlier entry was moved forward.' })),
        committed_at_ms: Type.Optional(Type.Integer()),
      }),
    ),
    lifted: Type.Array(Type.Object({ id: Type.String(), position: Type.Optional(Type.String()) })),
    agents: Type.Array(Type.String({ description: 'Everyone hit, descendants included.' })),
    blast: Type.Object({ agents: Type.Integer(), keys: Type.Integer(), descendants: Type.Integer() }),
    enforcement: Type.Optional(EnforcementReply),
    warnings: Type.Array(Type.Object({ code: Type.String(), text: Type.String() })),
    txn: Type.String(),
    received_at_ms: Type.Integer(),
  },
  { $id: 'SignalAnswer' },
);

export const toSignalAnswer = (
  handled: HandledSignal,
  more: { readonly enforcement?: Enforcement; readonly dryRun?: boolean } = {},
): Static<typeof SignalAnswer> => {
  const { signalId, rule, outcome, policyVersion, text } = handled;
  const dryRun = more.dryRun === true && !handled.duplicate;
  return {
    ...(dryRun ? {} : { signal_id: signalId }),
    duplicate: handled.duplicate,
    ...(more.dryRun === true ? { dry_run: true } : {}),
    decision: { outcome, rule, policy_version: policyVersion, text },
    revocations: handled.revocations.map((entry) => ({
      ...(entry.position === undefined
        ? {}
        : { id: entry.id, position: entry.position, merged: entry.merged }),
      effect: entry.effect,
      match: { ...entry.match },
      ...(entry.cutOff === undefined ? {} : { cut_off: entry.cutOff }),
      ...(entry.lapsesAt === undefined ? {} : { lapses_at: entry.lapsesAt }),
      ...(entry.agent === undefined ? {} : { agent: entry.agent }),
      ...(entry.committedAtMs === undefined ? {} : { committed_at_ms: entry.committedAtMs }),
    })),
    lifted: handled.lifted.map((lift) => ({ ...lift })),
    agents: [...handled.agents],
    blast: { ...handled.blast },
    ...(more.enforcement === undefined ? {} : { enforcement: toEnforcement(more.enforcement, signalId) }),
    warnings: handled.warnings.map((warning) => ({ ...warning })),
    txn: handled.txn,
    received_at_ms: handled.receivedAtMs,
  };
};

const toEnforcement = (enforcement: Enforcement, signalId: string): Static<typeof EnforcementReply> => ({
  ...enforcement,
  exposed: enforcement.exposed.map((one) => ({ ...one })),
  url: `/v1/signals/${signalId}/enforcement`,
});

/**
 * Answers 202 with what became of a signal, after the wait that its query asks for. Where nothing was put or lifted there
 * is nothing to enforce, and the answer says nothing of it.
 */
export async function answerSignal(
  reply: FastifyReply,
  handled: HandledSignal,
  view: EnforcementView,
  { wait, timeout_ms: timeoutMs = waitMsDefault }: Static<typeof SignalQuery>,
): Promise<Static<typeof SignalAnswer>> {
  const { signalId, lastSeq, duplicate } = handled;
  void reply.code(202);
  if (lastSeq === undefined) return toSignalAnswer(handled);
  const signal = { signalId, lastSeq };
  const enforcement =
    wait !== undefined
      ? await view.wait(signal, timeoutMs, goneOf(reply))
      : duplicate
        ? await view.now(signal)
        : view.atCommit();
  return toSignalAnswer(handled, { enforcement });
}

/** Aborted when whoever waits for the answer hangs up. */
function goneOf({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  if (raw.closed) gone.abort();
  else raw.once('close', () => gone.abort());
  return gone.signal;
}
