import { verificationDeadlineMs, verificationMissing } from '../core/upstream-health.ts';
import type { JsonObject, Millis } from '../core/vocabulary.ts';
import type { ClientOf } from './clients.ts';
import { connect, type Connected } from './connect-stream.ts';
import { planVerification } from './plan-verification.ts';
import type {
  Called,
  TransmitterClient,
  Upstream,
  UpstreamFailure,
  UpstreamProgress,
  UpstreamStore,
} from './ports.ts';
import type { Noted, Turn, UpstreamTurns } from './turn-ports.ts';
import { wantedStream } from './wanted-stream.ts';

export type RoundPorts = {
  readonly store: Pick<UpstreamStore, 'secretsOf' | 'list'>;
  readonly turns: Pick<UpstreamTurns, 'note'>;
  readonly clientOf: ClientOf;
  readonly hubUrl: () => string;
  /** Unguessable, at least 256 bits. */
  readonly newState: () => string;
  readonly nowMs: () => Millis;
};

export type Wish = {
  /** Who wants it, for the audit. */
  readonly actor: string;
  readonly correlationId?: string;
  /** As if it had never been connected; its stream stays. */
  readonly anew?: true;
  /** A verification event now, if its Transmitter allows that. */
  readonly verify?: true;
};

/** What a round came to, when no step failed. */
export type RoundDone = {
  /** As it is now. */
  readonly upstream: Upstream;
  readonly nextAtMs: Millis;
  /** What was asked for did not come. */
  readonly silence?: UpstreamFailure;
  /** Its Transmitter may not be asked to verify before that. */
  readonly mayAskAtMs?: Millis;
};

/** The turn went to somebody else, or the upstream is gone: whatever this round would write does not hold any more. */
export const turnLost = new Error('the turn is over');

/** A stream that its Transmitter has stopped is looked at again after so long. */
const stoppedAgainMs = 5 * 60_000;
/** The reason with which the hub pauses a stream at its Transmitter: only that does it end by itself. */
export const pausedByUs = 'paused by its receiver';

/**
 * Looks after one upstream once: metadata, stream, status, verification, each step only when the one before it is fine.
 *
 * @throws `turnLost`
 */
export async function lookOnce(ports: RoundPorts, turn: Turn, wish: Wish): Promise<Called<RoundDone>> {
  const round = createRound(ports, turn, wish);
  const { client, secrets } = await open(ports, turn.upstream);
  const connected = await connect(
    turn.upstream,
    {
      client,
      wanted: wantedStream(turn.upstream, {
        hubUrl: ports.hubUrl(),
        pushAuthorization: secrets.pushAuthorization,
      }),
      nowMs: ports.nowMs,
      takenStreams: () => takenBesides(ports, turn.upstream),
      onLost: () => round.lose(),
    },
    { anew: wish.anew === true },
  );
  if (connected.kind === 'failed') return connected;
  await round.bind(connected.value);
  const enabled = await readStatus(round, client);
  if (enabled.kind === 'failed') return enabled;
  if (!enabled.value) return round.done(ports.nowMs() + stoppedAgainMs);
  return verify(round, client, wish);
}

async function open({ store, clientOf }: RoundPorts, upstream: Upstream) {
  const secrets = await store.secretsOf(upstream.name);
  if (secrets === undefined) throw turnLost;
  return { secrets, client: await clientOf(upstream) };
}

async function takenBesides({ store }: RoundPorts, { id, settings }: Upstream): Promise<ReadonlySet<string>> {
  const others = (await store.list()).filter(
    (other) => other.id !== id && other.settings.issuer === settings.issuer,
  );
  return new Set(others.flatMap(({ binding }) => binding?.streamId ?? []));
}

/** What is known while a round goes on, written down as it is found out. */
type Round = ReturnType<typeof createRound>;

function createRound({ turns, nowMs, newState }: RoundPorts, turn: Turn, wish: Wish) {
  let upstream = turn.upstream;

  async function write(progress: UpstreamProgress, noted?: Pick<Noted, 'action' | 'detail'>): Promise<void> {
    const { actor, correlationId } = wish;
    const change = { actor, atMs: nowMs(), ...(correlationId === undefined ? {} : { correlationId }) };
    if (!(await turns.note(turn, progress, noted && { ...noted, change }))) throw turnLost;
  }

  return {
    upstream: () => upstream,
    nowMs,
    newState,
    write,
    async lose() {
      const { binding: _lost, ...rest } = upstream;
      const detail = { stream_id: upstream.binding?.streamId ?? '' };
      await write({ binding: null, ...unheard }, { action: 'upstream.stream-lost', detail });
      upstream = { ...rest, verification: {} };
    },
    async bind({ binding, how }: Connected) {
      if (how === 'kept') return;
      const isOther = upstream.binding?.streamId !== binding.streamId;
      const action = how === 'followed' && upstream.binding !== undefined ? 'followed' : 'connected';
      await write(
        { binding, ...(isOther ? unheard : {}) },
        { action: `upstream.${action}`, detail: detailOf(binding, how) },
      );
      upstream = { ...upstream, binding, ...(isOther ? { verification: {} } : {}) };
    },
    async noteStatus(streamStatus: NonNullable<Upstream['streamStatus']>) {
      const { status, reason } = upstream.streamStatus ?? {};
      if (streamStatus.status !== status || streamStatus.reason !== reason) await write({ streamStatus });
      upstream = { ...upstream, streamStatus };
    },
    async noteAsked(verification: { readonly state: string; readonly requestedAtMs: Millis }) {
      const action = 'upstream.verification-asked';
      await write({ verification }, wish.verify === true ? { action } : undefined);
      upstream = { ...upstream, verification: { ...upstream.verification, ...verification } };
    },
    done: (nextAtMs: Millis, more: Pick<RoundDone, 'silence' | 'mayAskAtMs'> = {}): Called<RoundDone> => ({
      kind: 'done',
      value: { upstream, nextAtMs, ...more },
    }),
  };
}

/** Of another stream nothing was heard yet. */
const unheard = { verifiedAtMs: null, streamStatus: null } as const;

const detailOf = (
  { streamId, jwksUri, audience }: Connected['binding'],
  how: Connected['how'],
): JsonObject => ({
  how,
  jwks_uri: jwksUri,
  audience,
  ...(streamId === undefined ? {} : { stream_id: streamId }),
});

/** Whether SETs may come. What the hub paused itself goes on when it is looked after again. */
async function readStatus(round: Round, client: TransmitterClient): Promise<Called<boolean>> {
  const { binding, streamStatus: before } = round.upstream();
  const { endpoints, streamId } = binding ?? {};
  if (endpoints?.status === undefined || streamId === undefined) return { kind: 'done', value: true };
  let read = await client.readStatus(endpoints, streamId);
  if (read.kind === 'done' && read.value.status === 'paused' && before?.reason === pausedByUs)
    read = await client.setStatus(endpoints, streamId, { status: 'enabled' });
  if (read.kind === 'failed') return read;
  await round.noteStatus(read.value);
  return { kind: 'done', value: read.value.status === 'enabled' };
}

async function verify(round: Round, client: TransmitterClient, wish: Wish): Promise<Called<RoundDone>> {
  const { nowMs } = round;
  const upstream = round.upstream();
  const { binding, settings, verification } = upstream;
  const againAtMs = nowMs() + settings.verifyEverySeconds * 1_000;
  const { endpoints, streamId } = binding ?? {};
  if (binding === undefined || endpoints?.verification === undefined || streamId === undefined)
    return round.done(againAtMs);
  const plan = planVerification(upstream, binding, { nowMs: nowMs(), isWanted: wish.verify === true });
  if (plan.kind === 'wait')
    return round.done(Math.min(plan.untilMs, againAtMs), { mayAskAtMs: plan.untilMs });
  const { requestedAtMs = 0 } = verification;
  const silence = plan.missing ? silenceOf(upstream, requestedAtMs, nowMs()) : undefined;
  const state = round.newState();
  const askedAtMs = nowMs();
  // The event may be here before the answer is.
  await round.noteAsked({ state, requestedAtMs: askedAtMs });
  const asked = await client.verify(endpoints, streamId, state);
  if (asked.kind === 'failed') return asked;
  return round.done(askedAtMs + verificationDeadlineMs, silence === undefined ? {} : { silence });
}

const silenceOf = ({ failure }: Upstream, requestedAtMs: Millis, atMs: Millis): UpstreamFailure => ({
  atMs,
  step: 'verify',
  text: verificationMissing(requestedAtMs),
  attempts: (failure?.isSilence === true ? (failure.attempts ?? 0) : 0) + 1,
  isSilence: true,
});
