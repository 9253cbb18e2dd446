import { matches } from '../../core/match.ts';
import type { Hop, TokenContext } from '../../core/token-context.ts';
import type { Seconds } from '../../core/vocabulary.ts';
import type { Ref } from './arena.ts';
import { matchUnitsMax } from './check-entry.ts';
import { type LiveEntry, toLiveEntry } from './live-entry.ts';
import { type AnchorKind, kindOf } from './record.ts';
import { findAnchor, nextInCrowd, readEntry, type Store } from './store.ts';

/** Entries that were found lately, unpacked. Forgotten all at once when they are too many. */
export type Unpacked = Map<Ref, LiveEntry>;
const unpackedMax = 1_024;

type Search = {
  readonly store: Store;
  readonly unpacked: Unpacked;
  readonly context: TokenContext;
  readonly now: Seconds;
  readonly found: LiveEntry[];
};

const kinds = {
  jti: kindOf('jti'),
  token: kindOf('token_sha256'),
  jkt: kindOf('jkt'),
  certificate: kindOf('x5t#S256'),
  sid: kindOf('sid'),
  sub: kindOf('sub'),
  client: kindOf('client_id'),
  workload: kindOf('workload'),
  iss: kindOf('iss'),
} as const;

/**
 * Every entry that matches. An entry is filed under one of its members, and what matches it has that very value: so
 * the entries filed under the context's values are all that can match, and `matches` says which do.
 */
export function lookup(
  store: Store,
  unpacked: Unpacked,
  context: TokenContext,
  now: Seconds,
): readonly LiveEntry[] {
  const search: Search = { store, unpacked, context, now, found: [] };
  collect(search, kinds.jti, context.jti);
  collect(search, kinds.token, context.token_sha256);
  collect(search, kinds.jkt, context.jkt);
  collect(search, kinds.certificate, context['x5t#S256']);
  collect(search, kinds.sid, context.sid);
  collectHolder(search, context);
  if (context.act) for (const actor of context.act) collectHolder(search, actor);
  return search.found;
}

function collectHolder(search: Search, hop: Hop): void {
  collect(search, kinds.sub, hop.sub);
  collect(search, kinds.client, hop.client_id);
  collect(search, kinds.iss, hop.iss);
  if (hop.workload === undefined) return;
  collect(search, kinds.workload, hop.workload);
  // `a/*` for every `a` above the workload, as far as entries of that length exist.
  for (const length of search.store.wildcardLengths.keys()) {
    if (hop.workload.charAt(length - 2) !== '/') continue;
    collect(search, kinds.workload, `${hop.workload.slice(0, length - 1)}*`);
  }
}

function collect(
  { store, unpacked, context, now, found }: Search,
  kind: AnchorKind,
  value: string | undefined,
): void {
  if (value === undefined || store.anchors[kind] === 0 || value.length > matchUnitsMax) return;
  for (let ref = findAnchor(store, kind, value); ref !== 0; ref = nextInCrowd(store, ref)) {
    const entry = unpack(store, unpacked, ref);
    if (matches(entry, context, now) && !found.includes(entry)) found.push(entry);
  }
}

function unpack(store: Store, unpacked: Unpacked, ref: Ref): LiveEntry {
  const known = unpacked.get(ref);
  if (known) return known;
  const entry = toLiveEntry(readEntry(store, ref));
  if (unpacked.size >= unpackedMax) unpacked.clear();
  unpacked.set(ref, entry);
  return entry;
}
