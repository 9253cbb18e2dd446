import { matches } from '../../core/match.ts';
import { hopsOf, type TokenContext } from '../../core/token-context.ts';
import type { Seconds } from '../../core/vocabulary.ts';
import type { Ref } from './arena.ts';
import { matchUnitsMax } from './check-entry.ts';
import { type LiveEntry, toLiveEntry } from './live-entry.ts';
import { kindOf } from './record.ts';
import { findAnchor, nextInCrowd, readEntry, type Store } from './store.ts';

/** Entries that were found lately, unpacked. Forgotten all at once when they are too many. */
export type Unpacked = Map<Ref, LiveEntry>;
const unpackedMax = 1_024;

const none: readonly LiveEntry[] = Object.freeze([]);

const tokenKinds = (['jti', 'token_sha256', 'jkt', 'x5t#S256', 'sid'] as const).map((member) => ({
  member,
  kind: kindOf(member),
}));
const holderKinds = (['sub', 'client_id', 'iss'] as const).map((member) => ({
  member,
  kind: kindOf(member),
}));
const workloadKind = kindOf('workload');

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
  const found: LiveEntry[] = [];
  const collect = (kind: number, value: string | undefined): void => {
    if (value === undefined || store.anchors[kind] === 0 || value.length > matchUnitsMax) return;
    for (let ref = findAnchor(store, kind, value); ref !== 0; ref = nextInCrowd(store, ref)) {
      const entry = unpack(store, unpacked, ref);
      if (matches(entry, context, now) && !found.includes(entry)) found.push(entry);
    }
  };
  for (const { member, kind } of tokenKinds) collect(kind, context[member]);
  for (const hop of hopsOf(context)) {
    for (const { member, kind } of holderKinds) collect(kind, hop[member]);
    collect(workloadKind, hop.workload);
    collectAbove(store, hop.workload, collect);
  }
  return found.length === 0 ? none : found;
}

/** `a/*` for every `a` above the workload, as far as there are anchors of that length. */
function collectAbove(
  { wildcardLengths }: Store,
  workload: string | undefined,
  collect: (kind: number, value: string) => void,
): void {
  if (workload === undefined || wildcardLengths.size === 0) return;
  for (const length of wildcardLengths.keys()) {
    if (workload.charAt(length - 2) === '/') collect(workloadKind, `${workload.slice(0, length - 1)}*`);
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
