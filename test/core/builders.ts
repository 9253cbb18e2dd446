import { decide } from '../../src/core/decide.ts';
import type { World } from '../../src/core/decide-times.ts';
import type { Decision, Memory } from '../../src/core/decision.ts';
import { findEventType, withDefaults } from '../../src/core/events/event-types.ts';
import type { KnownAgent, Resolution, ResolvedAgent } from '../../src/core/resolution.ts';
import type { Match, Revocation } from '../../src/core/revocation.ts';
import type { Statement } from '../../src/core/signal.ts';
import { type Source, sourceDefaults } from '../../src/core/source.ts';
import { parseSubject } from '../../src/core/subject.ts';
import { keysOfSubject } from '../../src/core/subject-keys.ts';
import { agentName, revocationId, signalId, sourceId } from '../../src/core/vocabulary.ts';

export const idp = 'https://idp.example';
export const nowSeconds = 1_763_764_100;
/** Thumbprints of the keys in RFC 7638 §3.1 and RFC 9449 §6.1. */
export const jkt = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
export const otherJkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
export const client: Match = { iss: idp, client_id: 'build-runner' };

export const aSource = (parts: Partial<Source> = {}): Source => ({
  ...sourceDefaults,
  id: sourceId('soc'),
  ...parts,
});

export type StatementParts = Partial<Omit<Statement, 'query' | 'eventType'>> & { readonly event?: string };

/** Half a minute old, about the client `build-runner`, unless said otherwise. */
export function aStatement(parts: StatementParts = {}): Statement {
  const { event = 'session-revoked', subject = { ...client }, data = {}, ...rest } = parts;
  const type = findEventType(event);
  return {
    source: aSource(),
    actor: 'soc',
    body: new Uint8Array(),
    bodySha256: new Uint8Array(),
    eventTime: nowSeconds - 30,
    txn: 'txn-1',
    receivedAtMs: nowSeconds * 1_000,
    ...rest,
    eventType: type?.uri ?? event,
    subject,
    query: parseSubject(subject, { defaultIssuer: idp }),
    data: type ? withDefaults(type, data) : data,
  };
}

export const anAgent = (
  name: string,
  identities: readonly Match[],
  parts: { readonly protected?: boolean; readonly descendants?: readonly KnownAgent[] } = {},
): ResolvedAgent => ({
  name: agentName(name),
  protected: parts.protected ?? false,
  identities,
  descendants: (parts.descendants ?? []).map((agent) => ({ ...agent, depth: 1 })),
});

/** What registries that know nothing else make of the statement's subject. */
export const aResolution = (statement: Statement, parts: Partial<Resolution> = {}): Resolution => ({
  ...keysOfSubject(statement.query, () => undefined),
  agents: [],
  owned: [],
  ...parts,
});

export const aMemory = (parts: Partial<Memory> = {}): Memory => ({
  familyEntries: [],
  named: [],
  familyStanding: [],
  namedStanding: [],
  killsInLastMinute: 0,
  corroborated: false,
  saidBefore: false,
  heardBefore: false,
  ...parts,
});

const issuerTimes = { max_token_life: 3_600, skew: 10, longest_session: 86_400 };

/** One configured issuer: tokens live an hour, sessions a day, clocks differ by ten seconds. */
export const aWorld = (parts: Partial<World> = {}): World => ({
  nowMs: nowSeconds * 1_000,
  issuers: { settings: (url) => (url === idp ? issuerTimes : undefined), all: () => [issuerTimes] },
  ...parts,
});

export function aRevocation(parts: Partial<Revocation> = {}): Revocation {
  return {
    id: revocationId('rev_1'),
    match: client,
    reach: 'chain',
    effect: 'deny',
    reason: 'account-disabled',
    signalId: signalId('sig_1'),
    sourceId: sourceId('soc'),
    cause: 'account-disabled',
    subjectKey: parseSubject({ ...client }).key,
    ...parts,
  };
}

/** Decides with everything at its plainest, unless said otherwise. */
export function decided(
  parts: StatementParts & {
    readonly resolution?: Partial<Resolution>;
    readonly memory?: Partial<Memory>;
    readonly world?: Partial<World>;
  } = {},
): Decision {
  const { resolution, memory, world, ...rest } = parts;
  const statement = aStatement(rest);
  return decide(statement, aResolution(statement, resolution), aMemory(memory), aWorld(world));
}

export const uriOf = (event: string): string => findEventType(event)?.uri ?? event;
