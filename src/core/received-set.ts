import { secondsMax } from './events/event-type.ts';
import { isJsonObject } from './text.ts';
import type { Json, JsonObject, Seconds } from './vocabulary.ts';

/**
 * What a Receiver may answer about a SET that it does not take.
 *
 * @see RFC 8935 §2.4, SSF 1.0 §8.1.4.1 for `invalid_state`
 */
export const setErrorCodes = [
  'invalid_request',
  'invalid_key',
  'invalid_issuer',
  'invalid_audience',
  'authentication_failed',
  'access_denied',
  'invalid_state',
] as const;
export type SetErrorCode = (typeof setErrorCodes)[number];

/** `description` is for the peer's operator: it quotes nothing of the SET. */
export type SetRefusal = { readonly err: SetErrorCode; readonly description: string };

/** What SETs of one upstream are held against; none of it comes from a SET. @see SSF 1.0 §4.1.6, RFC 8725 §3.1 */
export type SetExpectation = {
  /** Of its metadata and of its stream: they are the same. */
  readonly issuer: string;
  /** One of these is in `aud`. */
  readonly audience: readonly string[];
  /** The only JWS algorithm. */
  readonly algorithm: string;
  /** Transmitters from before SSF 1.0 put the subject into the event, and nothing at the top. */
  readonly subjectInEvent: boolean;
  /** Transmitters from before RFC 8417 was final send no `typ`. */
  readonly typMayBeMissing: boolean;
};

/** A SET whose claims are what they must be. */
export type ReceivedSet = {
  readonly jti: string;
  readonly iat: Seconds;
  readonly txn?: string;
  /** When it happened. */
  readonly toe?: Seconds;
  /** URI. */
  readonly eventType: string;
  readonly payload: JsonObject;
  /** With `format`. */
  readonly subject: JsonObject;
  /** Times that were plainly in milliseconds, and are seconds now: JSON pointers. */
  readonly repaired: readonly string[];
};

/** Clocks of others may be ahead by so much. There is no oldest `iat`: streams are paused, and SETs are sent again. */
export const clockSkewSeconds = 300;
const idLengthMax = 256;
const txnLengthMax = 256;

type Check<Facts> = SetRefusal & {
  readonly section: string;
  readonly breaks: (facts: Facts, expected: SetExpectation) => boolean;
};

const setTypes: ReadonlySet<string> = new Set(['secevent+jwt', 'application/secevent+jwt']);

/** Before a key is looked for. Where a header points to keys (`jku`, `x5u`, `jwk`, `x5c`), nobody looks. */
export const headerChecks: readonly Check<JsonObject>[] = [
  {
    section: 'SSF 1.0 §4.1.1, RFC 8725 §3.11',
    err: 'invalid_request',
    description: 'The typ in the header is not secevent+jwt.',
    breaks: (header, { typMayBeMissing }) => {
      const typ = own(header, 'typ');
      if (typ === undefined) return !typMayBeMissing;
      return typeof typ !== 'string' || !setTypes.has(typ.toLowerCase());
    },
  },
  {
    section: 'RFC 7515 §4.1.11',
    err: 'invalid_request',
    description: 'The header has a crit member, and none is understood here.',
    breaks: (header) => own(header, 'crit') !== undefined,
  },
  {
    section: 'RFC 8725 §3.1',
    err: 'invalid_key',
    description: 'The SET is not signed with the algorithm that was agreed upon.',
    breaks: (header, { algorithm }) => own(header, 'alg') !== algorithm,
  },
  {
    section: 'SSF 1.0 §4.1.4',
    err: 'invalid_key',
    description: 'The header names no key: kid is missing.',
    breaks: (header) => !isText(own(header, 'kid'), idLengthMax),
  },
];

/** Whose SET it claims to be decides whose keys are asked, and so comes before them. */
export const issuerChecks: readonly Check<JsonObject>[] = [
  {
    section: 'SSF 1.0 §4.1.6',
    err: 'invalid_issuer',
    description: 'The iss is not the issuer of this stream.',
    breaks: (claims, { issuer }) => own(claims, 'iss') !== issuer,
  },
];

type ClaimFacts = { readonly claims: JsonObject; readonly nowSeconds: Seconds };

/** Of claims whose signature was verified. */
export const claimChecks: readonly Check<ClaimFacts>[] = [
  {
    section: 'SSF 1.0 §4.1.8, RFC 7519 §4.1.3',
    err: 'invalid_audience',
    description: 'The aud does not name the receiver of this stream.',
    breaks: ({ claims }, { audience }) => !audience.some((ours) => audiencesOf(claims).includes(ours)),
  },
  {
    section: 'SSF 1.0 §4.1.7',
    err: 'invalid_request',
    description: 'A SET has no exp: this may be a token.',
    breaks: ({ claims }) => own(claims, 'exp') !== undefined,
  },
  {
    section: 'SSF 1.0 §4.1.2',
    err: 'invalid_request',
    description: 'A SET has no sub: this may be a token.',
    breaks: ({ claims }) => own(claims, 'sub') !== undefined,
  },
  {
    section: 'RFC 8417 §2.2',
    err: 'invalid_request',
    description: `The jti must be a text of 1 to ${idLengthMax} characters.`,
    breaks: ({ claims }) => !isText(own(claims, 'jti'), idLengthMax),
  },
  {
    section: 'RFC 8417 §2.2',
    err: 'invalid_request',
    description: 'The iat must be a number of seconds.',
    breaks: ({ claims }) => secondsOf(own(claims, 'iat')) === undefined,
  },
  {
    section: 'RFC 7519 §4.1.6',
    err: 'invalid_request',
    description: 'The iat is in the future: look at the clock that set it.',
    breaks: ({ claims, nowSeconds }) =>
      (secondsOf(own(claims, 'iat'))?.value ?? 0) > nowSeconds + clockSkewSeconds,
  },
  {
    section: 'RFC 8417 §2.2',
    err: 'invalid_request',
    description: `The txn, where there is one, must be a text of 1 to ${txnLengthMax} characters.`,
    breaks: ({ claims }) => {
      const txn = own(claims, 'txn');
      return txn !== undefined && !isText(txn, txnLengthMax);
    },
  },
  {
    section: 'RFC 8417 §2.2',
    err: 'invalid_request',
    description: 'The toe, where there is one, must be a number of seconds.',
    breaks: ({ claims }) => {
      const toe = own(claims, 'toe');
      return toe !== undefined && secondsOf(toe) === undefined;
    },
  },
  {
    section: 'SSF 1.0 §4.2.1, RFC 8417 §2.2',
    err: 'invalid_request',
    description: 'The events must be an object with exactly one member: a URI, and an object.',
    breaks: ({ claims }) => eventOf(claims) === undefined,
  },
  {
    section: 'SSF 1.0 §3.1',
    err: 'invalid_request',
    description: 'The sub_id must be a subject identifier: an object with format.',
    breaks: ({ claims }, expected) => subjectOf(claims, expected) === undefined,
  },
];

const firstBroken = <Facts>(
  checks: readonly Check<Facts>[],
  facts: Facts,
  expected: SetExpectation,
): SetRefusal | undefined => {
  const broken = checks.find(({ breaks }) => breaks(facts, expected));
  return broken && { err: broken.err, description: broken.description };
};

/** What is wrong with a SET before its signature is looked at. */
export const judgeUnverified = (
  { header, claims }: { readonly header: JsonObject; readonly claims: JsonObject },
  expected: SetExpectation,
): SetRefusal | undefined =>
  firstBroken(headerChecks, header, expected) ?? firstBroken(issuerChecks, claims, expected);

/** A verified SET as it counts, or why it is not taken. */
export function readReceivedSet(
  claims: JsonObject,
  expected: SetExpectation,
  nowSeconds: Seconds,
): ReceivedSet | SetRefusal {
  const broken = firstBroken(claimChecks, { claims, nowSeconds }, expected);
  if (broken !== undefined) return broken;
  const [iat, toe] = [secondsOf(own(claims, 'iat')), secondsOf(own(claims, 'toe'))];
  const [event, subject] = [eventOf(claims), subjectOf(claims, expected)];
  if (iat === undefined || event === undefined || subject === undefined)
    throw new Error('a check is missing');
  const [eventType, said] = event;
  const { payload, isRepaired } = repairEventTime(said);
  const txn = own(claims, 'txn');
  return {
    jti: own(claims, 'jti') as string,
    iat: iat.value,
    ...(typeof txn === 'string' ? { txn } : {}),
    ...(toe === undefined ? {} : { toe: toe.value }),
    eventType,
    payload,
    subject,
    repaired: [
      ...(iat.isRepaired ? ['/iat'] : []),
      ...(toe?.isRepaired === true ? ['/toe'] : []),
      ...(isRepaired ? ['/events/event_timestamp'] : []),
    ],
  };
}

export const isRefusal = (read: ReceivedSet | SetRefusal): read is SetRefusal => 'err' in read;

/** Its own member, so that one called `constructor` is never an inherited one. */
const own = (object: JsonObject, member: string): Json | undefined =>
  Object.hasOwn(object, member) ? object[member] : undefined;

const isText = (value: Json | undefined, lengthMax: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= lengthMax;

/** `aud` as a string or as an array of them; anything else names nobody. */
function audiencesOf(claims: JsonObject): readonly Json[] {
  const aud = own(claims, 'aud');
  return Array.isArray(aud) ? (aud as readonly Json[]) : aud === undefined ? [] : [aud];
}

/** What is too large to be seconds and is a time as milliseconds was meant so. */
function secondsOf(value: Json | undefined): { value: Seconds; isRepaired: boolean } | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return undefined;
  if (value <= secondsMax) return { value, isRepaired: false };
  return value / 1_000 <= secondsMax ? { value: value / 1_000, isRepaired: true } : undefined;
}

function eventOf(claims: JsonObject): readonly [string, JsonObject] | undefined {
  const events = own(claims, 'events');
  if (!isJsonObject(events)) return undefined;
  const [first, ...others] = Object.entries(events);
  if (first === undefined || others.length > 0) return undefined;
  const [eventType, payload] = first;
  return isUri(eventType) && isJsonObject(payload) ? [eventType, payload] : undefined;
}

const isUri = (text: string): boolean => text.length <= 512 && /^[A-Za-z][A-Za-z0-9+.-]*:[^\s]+$/.test(text);

/** @see SSF 1.0 §3.1, and §3.1.1 for the subject within the event */
function subjectOf(claims: JsonObject, { subjectInEvent }: SetExpectation): JsonObject | undefined {
  const subId = own(claims, 'sub_id');
  if (subId !== undefined) return isJsonObject(subId) && isText(own(subId, 'format'), 64) ? subId : undefined;
  if (!subjectInEvent) return undefined;
  const subject = own(eventOf(claims)?.[1] ?? {}, 'subject');
  return isJsonObject(subject) ? fromSubjectType(subject) : undefined;
}

/** RISC before SSF named the format `subject_type`, with hyphens: `iss-sub`. */
function fromSubjectType(subject: JsonObject): JsonObject | undefined {
  if (isText(own(subject, 'format'), 64)) return subject;
  const { subject_type: type, ...members } = subject;
  return isText(type, 64) ? { ...members, format: type.replaceAll('-', '_') } : undefined;
}

function repairEventTime(payload: JsonObject): { payload: JsonObject; isRepaired: boolean } {
  const time = secondsOf(own(payload, 'event_timestamp'));
  if (time?.isRepaired !== true) return { payload, isRepaired: false };
  return { payload: { ...payload, event_timestamp: time.value }, isRepaired: true };
}
