import { canonicalJson } from './canonical-json.ts';
import type { Decision } from './decision.ts';
import { commonMembers, type EventType } from './events/event-type.ts';
import { findEventType } from './events/event-types.ts';
import type { Resolution } from './resolution.ts';
import { plainSubject } from './stream-profile.ts';
import type { StreamProfile } from './stream.ts';
import type { SetClaims } from './set-claims.ts';
import type { Statement } from './signal.ts';
import { toSsfSubject } from './subject.ts';
import type { ClientId, JsonObject, Millis, SetId, StreamId } from './vocabulary.ts';

/** SETs that one signal may cause. What matters most comes first; what is beyond is left out, and said so. */
export const setsPerSignalMax = 10_000;

/** What is told about a signal, before it is known to whom. */
export type Telling = {
  readonly eventType: string;
  readonly subject: JsonObject;
  readonly payload: JsonObject;
  /** Told one after the other, in the order in which it was decided. */
  readonly principal: string;
  /** Goes before what other principals wait for. */
  readonly denies: boolean;
  /** Of a kill: how it is told to those who do not hear of the event itself, as sessions revoked. */
  readonly asSessionRevoked?: JsonObject;
  /** Family and subject: a newer one of the same principal makes an older one that was not sent yet unnecessary. */
  readonly family?: string;
};

/** One SET for one stream, its claims fixed. */
export type PlannedSet = Omit<Telling, 'payload' | 'subject' | 'asSessionRevoked'> & {
  readonly streamId: StreamId;
  readonly claims: SetClaims;
};

/** What fanning out needs to know of a stream. */
export type Audience = {
  readonly id: StreamId;
  readonly aud: string;
  /** The client whose stream it is; absent: the holder of an API token. */
  readonly client?: ClientId;
  readonly profile?: StreamProfile;
  hears(eventType: string, subject: JsonObject): boolean;
};

export type FanOutWorld = {
  /** Asked only when there is something to tell. */
  readonly iss: () => string;
  readonly nowMs: Millis;
  readonly newSetId: () => SetId;
};

/** A signal as it was decided, with whom it is about. */
export type DecidedStatement = {
  readonly statement: Statement;
  readonly decision: Pick<Decision, 'puts' | 'tells' | 'remember'>;
  readonly resolution: Pick<Resolution, 'agents' | 'keys'>;
  readonly principal: string;
};

/**
 * The SETs that go out about a decided signal: a copy of its own for each stream that hears it, with one `txn` for all.
 * What is about the subject itself comes before what follows for others.
 *
 * @see SSF 1.0 §4.1, RFC 8417 §2.2
 */
export function fanOut(
  decided: DecidedStatement,
  audiences: readonly Audience[],
  { iss, nowMs, newSetId }: FanOutWorld,
): { readonly sets: readonly PlannedSet[]; readonly isCut: boolean } {
  const { txn, eventTime, source } = decided.statement;
  const sets: PlannedSet[] = [];
  const others = audiences.filter(({ client }) => client === undefined || client !== source.peer);
  if (others.length === 0) return { sets, isCut: false };
  const now = Math.floor(nowMs / 1_000);
  const said = new Set<string>();
  for (const telling of tellingsOf(decided)) {
    for (const audience of others) {
      const heard =
        audience.profile === undefined ? asHeard(audience, telling) : asPlain(audience, telling, said);
      if (heard === undefined) continue;
      const { payload, subject, asSessionRevoked: _, ...rest } = heard;
      if (sets.length >= setsPerSignalMax) return { sets, isCut: true };
      sets.push({
        ...rest,
        streamId: audience.id,
        claims: {
          iss: iss(),
          jti: newSetId(),
          iat: now,
          aud: audience.aud,
          txn,
          toe: Math.min(Math.floor(eventTime), now),
          sub_id: subject,
          events: { [rest.eventType]: payload },
        },
      });
    }
  }
  return { sets, isCut: false };
}

const asItIs = (audience: Audience, telling: Telling): Telling | undefined =>
  audience.hears(telling.eventType, telling.subject) ? telling : undefined;

/**
 * A kill reaches whoever takes sessions revoked, whichever event it came by: told so to those who do not take that event, and
 * no later event makes that unnecessary.
 */
function asHeard(audience: Audience, telling: Telling): Telling | undefined {
  const itself = asItIs(audience, telling);
  const { family: _, asSessionRevoked: payload, ...rest } = telling;
  if (itself !== undefined || payload === undefined) return itself;
  return asItIs(audience, { ...rest, eventType: sessionRevoked.uri, payload });
}

/** For a stream with a profile: subjects as plain as may be, each once. */
function asPlain(audience: Audience, telling: Telling, said: Set<string>): Telling | undefined {
  const heard = asHeard(audience, { ...telling, subject: plainSubject(telling.subject) });
  const key = heard && `${audience.id} ${heard.eventType} ${canonicalJson(heard.subject)}`;
  if (key === undefined || said.has(key)) return undefined;
  said.add(key);
  return heard;
}

/**
 * What there is to tell: the event itself about each name that its subject has on the wire, and that the sessions are
 * revoked of everybody else who is denied because of it: keys of the agent, descendants, agents it owns.
 */
export function tellingsOf(decided: DecidedStatement): readonly Telling[] {
  const { statement, decision, principal } = decided;
  const type = findEventType(statement.eventType);
  const told = type && downstreamType(type, statement);
  if (!decision.tells || type === undefined || told === undefined) return [];
  const denies = decision.puts.some(({ effect }) => effect === 'deny');
  const family = decision.remember?.family;
  const subjects = subjectsOf(decided);
  const payload = payloadOf(told, type, statement);
  const known = new Set(subjects.map(canonicalJson));
  const others = decision.puts.flatMap(({ effect, match, agent }): readonly Telling[] => {
    if (effect !== 'deny') return [];
    const subject = toSsfSubject(match);
    const key = canonicalJson(subject);
    if (known.has(key)) return [];
    known.add(key);
    return [
      {
        eventType: sessionRevoked.uri,
        subject,
        payload: payloadOf(sessionRevoked, type, statement),
        principal: agent === undefined ? key : `agent:${agent}`,
        denies: true,
      },
    ];
  });
  const own = subjects.map(
    (subject): Telling => ({
      eventType: told.uri,
      subject,
      payload,
      principal,
      denies,
      ...(denies && told !== sessionRevoked && !asksForNew.has(told.name)
        ? { asSessionRevoked: payloadOf(sessionRevoked, type, statement) }
        : {}),
      ...(family === undefined ? {} : { family: `${family} ${canonicalJson(subject)}` }),
    }),
  );
  return [...own, ...others];
}

const sessionRevoked = required('session-revoked');

/** What they deny is had again with new credentials: no session ends, and who does not take them is told of none. */
const asksForNew: ReadonlySet<string> = new Set([
  'token-claims-change',
  'account-credential-change-required',
]);

/** Ours travel as the CAEP or RISC event that means the same to others; what has no such event is not told. */
function downstreamType(type: EventType, statement: Statement): EventType | undefined {
  if (type.downstreamAs === null) return undefined;
  const effect = statement.data['effect'] ?? 'deny';
  if (type.name === 'revocation-ordered' && effect !== 'deny') return undefined;
  return type.downstreamAs === undefined ? type : required(type.downstreamAs);
}

/** As it was said, where that is an RFC 9493 or SSF subject; else every name that tokens carry for it. */
function subjectsOf({ statement, resolution }: DecidedStatement): readonly JsonObject[] {
  const { subject, query } = statement;
  // A path below a SCIM service means nothing to those who do not know which.
  if (subject['format'] === 'scim') return resolution.keys.map(toSsfSubject);
  if (typeof subject['format'] === 'string') return [subject];
  const named = resolution.agents.find(({ name }) => name === query.agent);
  const matches = named?.identities ?? query.parts.flatMap((part) => part.matches);
  return matches.map(toSsfSubject);
}

/** Closed on sending: members that the type describes, and what it must have. @see CAEP 1.0 §2, RISC 1.0 §2 */
function payloadOf(told: EventType, type: EventType, statement: Statement): JsonObject {
  const said: JsonObject = {
    ...commonOf(told, type, statement),
    ...(told === type
      ? statement.data
      : {
          ...told.defaults,
          ...translated(told, statement),
          ...pick(statement.data, Object.keys(commonMembers)),
        }),
  };
  return pick(said, Object.keys(told.data.properties));
}

/** Members that ours do not have and theirs must. */
function translated(told: EventType, { confidence, query }: Statement): JsonObject {
  if (told.name === 'device-compliance-change') {
    return { previous_status: 'compliant', current_status: 'not-compliant' };
  }
  if (told.name === 'risk-level-change') {
    const level = { high: 'HIGH', medium: 'MEDIUM', low: 'LOW' } as const;
    return { principal: principalKind(query.parts[0]?.role), current_level: level[confidence ?? 'low'] };
  }
  return {};
}

/** CAEP 1.0 §3.8: which entity of SSF 1.0 §3.3 has the risk. */
const principalKind = (role: string | undefined): string =>
  role === undefined || role === 'subject' ? 'USER' : role.toUpperCase();

/** When and why, in the members that CAEP has for it; RISC's own events have none but one. */
function commonOf(told: EventType, type: EventType, statement: Statement): JsonObject {
  if (told.profile === 'risc' && told.name !== 'credential-compromise') return {};
  return {
    event_timestamp: statement.eventTime,
    initiating_entity: statement.source.person ? 'admin' : 'policy',
    reason_admin: { en: statement.reason ?? type.description },
  };
}

const pick = (from: JsonObject, members: readonly string[]): JsonObject =>
  Object.fromEntries(
    members.flatMap((member) => (from[member] === undefined ? [] : [[member, from[member]]])),
  );

function required(name: string): EventType {
  const type = findEventType(name);
  if (type === undefined) throw new Error(`there is no event type ${name}`);
  return type;
}
