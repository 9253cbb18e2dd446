import { findEventType, isOrder } from '../core/events/event-types.ts';
import { isProblem, Problem, type ProblemCode } from '../core/problem.ts';
import {
  isRefusal,
  judgeUnverified,
  readReceivedSet,
  type ReceivedSet,
  type SetExpectation,
  type SetRefusal,
} from '../core/received-set.ts';
import { streamUpdatedEventType, verificationEventType } from '../core/set-claims.ts';
import { harmlessText } from '../core/text.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { FoundKey, WantedKey } from '../enforcement/jwks.ts';
import { parseCompactJws } from '../enforcement/token-format.ts';
import { algorithmOf, verifies } from '../enforcement/token-signatures.ts';
import type { HandleSignal, MakeStatement } from '../pipeline/ports.ts';
import { criticalNotUnderstood, readEvent } from './read-event.ts';
import type { Binding, Upstream, UpstreamStore } from './ports.ts';
import type { AcceptSet, ReceivedSetStore, RecordedOutcome, SetAnswer } from './set-ports.ts';

/** Of one SET in compact form. @see SEC-25 */
export const setBytesMax = 64 * 1_024;

export type AcceptSetPorts = {
  readonly store: Pick<UpstreamStore, 'find' | 'note'>;
  readonly sets: Pick<ReceivedSetStore, 'record' | 'has'>;
  readonly findKey: (upstream: Upstream, binding: Binding, wanted: WantedKey) => Promise<FoundKey>;
  readonly makeStatement: MakeStatement;
  readonly handle: HandleSignal;
  readonly nowMs: () => Millis;
  readonly onAnswer: (upstream: Upstream, answer: SetAnswer) => void;
};

/**
 * The door for SETs: what the checks let through becomes a signal of the upstream's source, or is recorded. A SET that
 * comes again is answered as it was the first time and handled once.
 *
 * @see AcceptSet, RFC 8935 §2, RFC 8936 §2
 */
export function createAcceptSet(ports: AcceptSetPorts): AcceptSet {
  return async (upstream, compact) => {
    const answer = await accept(ports, upstream, compact);
    ports.onAnswer(upstream, answer);
    return answer;
  };
}

async function accept(ports: AcceptSetPorts, upstream: Upstream, compact: string): Promise<SetAnswer> {
  const { binding } = upstream;
  if (binding === undefined) throw notConnected();
  const verified = await verify(ports, { upstream, binding }, compact);
  if ('err' in verified) return rejected(verified);
  const received: Received = { ...verified, upstream, binding, compact };
  const { eventType } = verified.set;
  if (eventType === verificationEventType) return acceptVerification(ports, received);
  if (eventType === streamUpdatedEventType) return acceptStreamUpdated(ports, received);
  return acceptEvent(ports, received);
}

type Received = Verified & {
  readonly upstream: Upstream;
  readonly binding: Binding;
  readonly compact: string;
};

/** Acknowledges what puts nothing into force, once it is written down. */
async function record(
  { sets, nowMs }: AcceptSetPorts,
  { upstream, set, compact }: Received,
  outcome: RecordedOutcome,
  text: string,
): Promise<SetAnswer> {
  const { jti, eventType, subject } = set;
  const row = {
    upstream: upstream.name,
    jti,
    receivedAtMs: nowMs(),
    eventType,
    subject,
    outcome,
    text,
    compact,
  };
  const recorded = await sets.record(row);
  return acknowledged(recorded === 'repeated' ? 'repeated' : outcome);
}

type Verified = { readonly set: ReceivedSet; readonly signed: string };

/** Cheap checks first, then the key, then the signature, then everything that must not be believed before it. */
async function verify(
  { findKey, nowMs }: Pick<AcceptSetPorts, 'findKey' | 'nowMs'>,
  { upstream, binding }: { readonly upstream: Upstream; readonly binding: Binding },
  compact: string,
): Promise<Verified | SetRefusal> {
  if (Buffer.byteLength(compact) > setBytesMax) return tooLarge;
  const jws = parseCompactJws(compact);
  if (jws === undefined) return notASet;
  const { settings } = upstream;
  const expected: SetExpectation = { ...settings, audience: binding.audience };
  const broken = judgeUnverified({ header: jws.header, claims: jws.payload }, expected);
  if (broken !== undefined) return broken;
  const algorithm = algorithmOf(settings.algorithm);
  if (algorithm === undefined) throw new Error('an upstream is pinned to an algorithm that there is not');
  const found = await findKey(upstream, binding, { kid: jws.header['kid'] as string, algorithm });
  if (found.kind === 'unavailable') throw keysUnavailable();
  if (found.kind === 'unknown') return unknownKey;
  if (!verifies(algorithm, found.key.object, jws.signed, jws.signature)) return wrongSignature;
  const set = readReceivedSet(jws.payload, expected, nowMs() / 1_000);
  return isRefusal(set) ? set : { set, signed: jws.signed };
}

/**
 * What was asked for has the `state` that was sent with the question, and is about this stream; what nobody asked for has
 * none.
 *
 * @see SSF 1.0 §8.1.4.1
 */
async function acceptVerification(ports: AcceptSetPorts, received: Received): Promise<SetAnswer> {
  const { set, upstream } = received;
  if (isAboutAnotherStream(received)) return rejected(anotherStream);
  const { state } = set.payload;
  if (state === undefined)
    return record(ports, received, 'verification', 'Nobody asked for it; the stream works.');
  // It may have been asked for a moment ago, by another node.
  const now = await ports.store.find(upstream.name);
  if (now?.verification.state !== state) {
    return (await ports.sets.has(upstream.name, set.jti)) ? acknowledged('repeated') : rejected(wrongState);
  }
  const answer = await record(ports, received, 'verification', 'The stream works.');
  await ports.store.note(upstream.name, { verifiedAtMs: ports.nowMs(), failure: null });
  return answer;
}

/** @see SSF 1.0 §8.1.5 */
async function acceptStreamUpdated(ports: AcceptSetPorts, received: Received): Promise<SetAnswer> {
  const { set, upstream } = received;
  if (isAboutAnotherStream(received)) return rejected(anotherStream);
  const { status, reason } = set.payload;
  if (typeof status !== 'string' || !streamStatuses.has(status)) return rejected(wrongStatus);
  const why = typeof reason === 'string' ? harmlessText(reason, reasonMax) : undefined;
  const answer = await record(ports, received, 'stream-updated', `The stream is ${status}.`);
  // One that comes again may be older than what was said since; what was not noted is read with the next round.
  if (answer.kind === 'rejected' || answer.outcome === 'repeated') return answer;
  await ports.store.note(upstream.name, {
    streamStatus: { status, ...(why === undefined ? {} : { reason: why }) },
    dueAtMs: ports.nowMs(),
  });
  return answer;
}

const isAboutAnotherStream = ({ set: { subject }, binding: { streamId } }: Received): boolean =>
  streamId !== undefined && !(subject['format'] === 'opaque' && subject['id'] === streamId);

async function acceptEvent(ports: AcceptSetPorts, received: Received): Promise<SetAnswer> {
  const { set, upstream, binding, compact, signed } = received;
  const type = findEventType(set.eventType);
  if (type === undefined)
    return record(ports, received, 'unknown-event', 'The hub does not know this event type.');
  const critical = criticalNotUnderstood(set.subject, binding.criticalSubjectMembers);
  if (critical !== undefined) {
    return record(
      ports,
      received,
      'not-understood',
      `Its subject has ${critical}, which must be understood and is not.`,
    );
  }
  const event = readEvent(type, set.payload);
  if ('err' in event) return rejected(event);
  const { source } = upstream;
  if (isOrder(type) && source.eventTypes?.includes(type.uri) !== true) {
    return record(
      ports,
      received,
      'refused',
      `${type.name} is an order: this source must be allowed to give it by name.`,
    );
  }
  try {
    const statement = ports.makeStatement({
      source,
      actor: `upstream:${upstream.name}`,
      body: Buffer.from(compact),
      sameness: Buffer.from(claimsPart(signed)),
      event: type.uri,
      subject: set.subject,
      data: event.data,
      eventTime: event.time ?? set.toe ?? set.iat,
      externalId: set.jti,
      relayed: true,
      ...(set.txn === undefined ? {} : { txn: set.txn }),
    });
    const { duplicate } = await ports.handle(statement);
    return acknowledged(duplicate ? 'repeated' : 'signal');
  } catch (error) {
    if (!isProblem(error)) throw error;
    const outcome = outcomeOfProblem[error.code];
    if (outcome === undefined) throw error;
    if (outcome === 'rejected') return rejected({ err: 'invalid_request', description: error.message });
    return record(ports, received, outcome, error.message);
  }
}

/** A key that was compromised is replaced, and what waits is signed anew: the claims are the same to the byte. */
const claimsPart = (signed: string): string => signed.slice(signed.indexOf('.') + 1);

/** What the pipeline refuses for good. What is not named here passes, and the SET comes again. */
const outcomeOfProblem: { readonly [Code in ProblemCode]?: 'rejected' | RecordedOutcome } = {
  'source-not-allowed': 'refused',
  'too-many-entries': 'refused',
  'unknown-subject-format': 'not-understood',
  'invalid-request': 'rejected',
  'empty-match': 'rejected',
  'ambiguous-issuer': 'rejected',
  'unstorable-text': 'rejected',
  'id-reused': 'rejected',
};

const streamStatuses: ReadonlySet<string> = new Set(['enabled', 'paused', 'disabled']);
const reasonMax = 500;

const acknowledged = (outcome: RecordedOutcome | 'signal' | 'repeated'): SetAnswer => ({
  kind: 'acknowledged',
  outcome,
});
const rejected = ({ err, description }: SetRefusal): SetAnswer => ({ kind: 'rejected', err, description });

const invalidRequest = (description: string): SetRefusal => ({ err: 'invalid_request', description });
const tooLarge = invalidRequest(`A SET has at most ${setBytesMax} bytes.`);
const notASet = invalidRequest('The body is not a signed SET in compact form.');
const anotherStream = invalidRequest('It is about another stream: sub_id is not the id of this one.');
const wrongStatus = invalidRequest('The status is none of enabled, paused and disabled.');
const wrongState: SetRefusal = {
  err: 'invalid_state',
  description: 'The state is not the one that was sent with the request for verification.',
};
const unknownKey: SetRefusal = {
  err: 'invalid_key',
  description: 'The keys of this issuer have none with this kid for the algorithm that was agreed upon.',
};
const wrongSignature: SetRefusal = {
  err: 'invalid_key',
  description: 'The signature is not by the key that kid names.',
};
const notConnected = (): Problem =>
  new Problem('issuer-unavailable', 'The hub is not connected to this Transmitter yet.', {
    hint: 'Send the SET again later.',
  });
const keysUnavailable = (): Problem =>
  new Problem('issuer-unavailable', 'The keys of this Transmitter cannot be had just now.', {
    hint: 'Send the SET again later.',
  });
