import * as fc from 'fast-check';
import { entryVersion, type FeedEntry, type PutEntry } from '../../../src/core/feed.ts';
import { matches } from '../../../src/core/match.ts';
import { effects, reaches } from '../../../src/core/revocation.ts';
import type { Hop, TokenContext } from '../../../src/core/token-context.ts';
import type { RevocationCache } from '../../../src/enforcement/cache.ts';
import { toLiveEntry } from '../../../src/enforcement/cache/live-entry.ts';

const ulidDigits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** A ULID whose 26 digits count up; `rev_` and `sig_` go before it. */
export const aUlid = (number: number): string => {
  let text = '';
  for (let rest = number, digits = 0; digits < 16; digits += 1, rest = Math.floor(rest / 32)) {
    text = ulidDigits.charAt(rest % 32) + text;
  }
  return `01JD8YJ4G0${text}`;
};

export const anEntry = (more: Partial<PutEntry> = {}): PutEntry => ({
  v: entryVersion,
  op: 'put',
  id: `rev_${aUlid(1)}`,
  position: '7f3a9c01-1',
  match: { iss: 'https://idp.example', client_id: 'build-runner' },
  reach: 'chain',
  effect: 'deny',
  reason: 'credential-compromise',
  signal_id: `sig_${aUlid(1)}`,
  committed_at_ms: 1_763_764_003_123,
  ...more,
});

/** Few values, so that entries and tokens often meet, and near misses more often still. */
const issuers = fc.constantFrom('https://a.example', 'https://b.example');
const names = fc.constantFrom('', 'x', 'y', 'é', '\ud800', '日本', 'user@example.com');
const thumbprints = fc.constantFrom(
  '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I',
  '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J',
  'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
);
const tokenIds = fc.constantFrom(
  'c5e2b0d0-3c1f-4c8e-9a64-0f1d2b3c4d5e',
  'C5E2B0D0-3C1F-4C8E-9A64-0F1D2B3C4D5E',
  aUlid(77),
  'x',
);
const workloads = fc.constantFrom(
  'spiffe://td',
  'spiffe://td/',
  'spiffe://td/a',
  'spiffe://td/a/b',
  'spiffe://td/ab',
  '/*',
);
const workloadPatterns = fc.oneof(
  workloads,
  workloads.map((path) => `${path}/*`),
);
const seconds = fc.integer({ min: 1_763_764_000, max: 1_763_764_010 });

const someMatch = fc
  .record(
    {
      iss: issuers,
      sub: names,
      client_id: names,
      workload: workloadPatterns,
      jkt: thumbprints,
      'x5t#S256': thumbprints,
      jti: tokenIds,
      sid: tokenIds,
      token_sha256: thumbprints,
    },
    { requiredKeys: [] },
  )
  .filter((match) => Object.keys(match).length > 0)
  // Most entries name one or two members: keep three at most.
  .map((match) => Object.fromEntries(Object.entries(match).slice(-3)));

export const someEntry = (position: string, ids = 12): fc.Arbitrary<PutEntry> =>
  fc.record(
    {
      v: fc.constant(entryVersion),
      op: fc.constant('put' as const),
      id: fc.integer({ min: 0, max: ids }).map((number) => `rev_${aUlid(number)}`),
      position: fc.constant(position),
      match: someMatch,
      reach: fc.constantFrom(...reaches),
      effect: fc.constantFrom(...effects),
      cut_off: seconds,
      cut_off_basis: fc.constantFrom('issued' as const, 'session' as const),
      lapses_at: seconds,
      step_up: fc.constantFrom({ after: 1_763_764_000 }, { acr_values: ['urn:é'] }),
      restrict: fc.constantFrom({ scope: 'charges:read' }, { rate: { per_minute: 3 } }),
      reason: fc.constantFrom('credential-compromise', 'session-revoked'),
      signal_id: fc.constantFrom(
        `sig_${aUlid(9)}`,
        'free text',
        'sig_0000000000',
        'sig_01JD8YJ4G0aa',
        `sig_${aUlid(9).toLowerCase()}`,
      ),
      agent: fc.constantFrom('build-runner', 'report-writer'),
      committed_at_ms: fc.integer({ min: 0, max: 2 ** 45 }),
    },
    {
      requiredKeys: [
        'v',
        'op',
        'id',
        'position',
        'match',
        'reach',
        'effect',
        'reason',
        'signal_id',
        'committed_at_ms',
      ],
    },
  );

/** Puts, merges (puts of ids that are there), lifts and drops, in feed order. */
export const someHistory = (
  options: { readonly epoch?: string; readonly max?: number } = {},
): fc.Arbitrary<FeedEntry[]> =>
  fc
    .array(fc.tuple(fc.constantFrom('put', 'put', 'put', 'lift', 'drop'), someEntry('7f3a-0')), {
      maxLength: options.max ?? 40,
    })
    .map((steps) =>
      steps.map(([op, put], index): FeedEntry => {
        const position = `${options.epoch ?? '7f3a9c01'}-${index + 1}`;
        if (op === 'put') return { ...put, position };
        return {
          v: put.v,
          op: op === 'lift' ? 'lift' : 'drop',
          id: put.id,
          position,
          committed_at_ms: put.committed_at_ms,
        };
      }),
    );

const hopMembers = { iss: issuers, sub: names, client_id: names, workload: workloads };
const someHop: fc.Arbitrary<Hop> = fc.record(hopMembers, { requiredKeys: ['iss'] });

export const someContext: fc.Arbitrary<TokenContext> = fc.record(
  {
    ...hopMembers,
    jkt: thumbprints,
    'x5t#S256': thumbprints,
    jti: tokenIds,
    sid: tokenIds,
    token_sha256: thumbprints,
    iat: seconds,
    auth_time: seconds,
    act: fc.array(someHop, { maxLength: 4 }),
  },
  { requiredKeys: ['iss'] },
);

/** A context that has what the entry asks for, at some hop, and chance in all the rest: most of them match, or nearly. */
export const contextNear = ({ match }: PutEntry): fc.Arbitrary<TokenContext> =>
  fc.tuple(someContext, fc.nat(3), fc.constantFrom('', '/deeper')).map(([context, at, below]) => {
    const { iss, sub, client_id, workload, ...token } = match;
    const inside = workload?.endsWith('/*') ? `${workload.slice(0, -1)}w${below}` : workload;
    const holder = Object.fromEntries(
      Object.entries({ iss, sub, client_id, workload: inside }).filter(([, value]) => value !== undefined),
    );
    const act = (context.act ?? []).map((hop, index) => (index + 1 === at ? { ...hop, ...holder } : hop));
    return { ...context, ...token, ...(at === 0 ? holder : {}), act };
  });

/** The live set as plainly as it can be kept, and what of it matches by the reference. */
export function naive(history: readonly FeedEntry[]) {
  const live = new Map<string, PutEntry>();
  for (const entry of history) {
    live.delete(entry.id);
    if (entry.op === 'put') live.set(entry.id, entry);
  }
  return {
    live: [...live.values()],
    idsMatching: (context: TokenContext, now: number): readonly string[] =>
      [...live.values()]
        .filter((entry) => matches(toLiveEntry(entry), context, now))
        .map(({ id }) => id)
        .toSorted(),
  };
}

export const idsFound = (cache: RevocationCache, context: TokenContext, now: number): readonly string[] =>
  cache
    .lookup(context, now)
    .map(({ id }) => id)
    .toSorted();
