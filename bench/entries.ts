import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { ulid } from 'ulid';
import { entryVersion, type PutEntry } from '../src/core/feed.ts';
import type { Match } from '../src/core/revocation.ts';
import type { TokenContext } from '../src/core/token-context.ts';

export const issuer = 'https://idp.example/tenant';
const epoch = '7f3a9c01';

const namesMax = 1_000_000;
const thumbprint = (): string => randomBytes(32).toString('base64url');

/** What a hub that kills agents, people, keys, tokens and sessions holds, in a fixed mixture; of 20 entries. */
const mixture: readonly (readonly [share: number, match: (number: number) => Match])[] = [
  [6, (number) => ({ iss: issuer, client_id: `agent-${number}` })],
  [5, () => ({ iss: issuer, sub: randomUUID() })],
  [4, () => ({ jkt: thumbprint() })],
  [3, () => ({ iss: issuer, jti: randomUUID() })],
  [2, () => ({ iss: issuer, sid: randomUUID() })],
];
const kinds = mixture.flatMap(([share, match]) => Array<typeof match>(share).fill(match));

/** The entry of this number, parsed from JSON as a feed brings it; every call draws new names and keys. */
function anEntry(number: number, committedAtMs: number): PutEntry {
  const match = kinds[number % kinds.length]?.(number) ?? {};
  const cutOff = Math.floor(committedAtMs / 1_000) + 5;
  const entry: PutEntry = {
    v: entryVersion,
    op: 'put',
    id: `rev_${ulid(committedAtMs)}`,
    position: `${epoch}-${number}`,
    match,
    reach: 'chain',
    effect: 'deny',
    ...(match.sub === undefined
      ? {}
      : { cut_off: cutOff, cut_off_basis: 'session', lapses_at: cutOff + 86_405 }),
    reason: match.sid === undefined ? 'credential-compromise' : 'session-revoked',
    signal_id: `sig_${ulid(committedAtMs)}`,
    committed_at_ms: committedAtMs,
  };
  return JSON.parse(JSON.stringify(entry)) as PutEntry;
}

/** Entries that came over the last day, in order of their coming. */
export function* someEntries(count: number, nowMs: number): Generator<PutEntry> {
  const dayMs = 86_400_000;
  for (let number = 1; number <= count; number += 1) {
    yield anEntry(number, nowMs - dayMs + Math.floor((dayMs * number) / count));
  }
}

/** A token with every member that can be looked up, exchanged once, and hit by no entry. */
export function aContext(nowSeconds: number): TokenContext {
  return {
    iss: issuer,
    sub: randomUUID(),
    client_id: `runner-${randomInt(namesMax)}`,
    jkt: thumbprint(),
    jti: randomUUID(),
    sid: randomUUID(),
    token_sha256: thumbprint(),
    iat: nowSeconds,
    exp: nowSeconds + 900,
    act: [{ iss: issuer, sub: randomUUID(), client_id: `actor-${randomInt(namesMax)}` }],
  };
}
