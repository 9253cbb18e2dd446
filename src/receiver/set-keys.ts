import type { Clock } from '../enforcement/feed-types.ts';
import { createIssuerKeys, type FoundKey, type IssuerKeys, type WantedKey } from '../enforcement/jwks.ts';
import type { KeySource } from '../enforcement/jwks-fetch.ts';
import type { Jwk } from '../enforcement/token-signatures.ts';
import type { Binding, Upstream } from './ports.ts';

/** Between two fetches of the keys of one upstream, however many unknown `kid`s arrive. */
const setKeysCooldownMs = 1_000;

export type SetKeys = {
  find(upstream: Upstream, binding: Binding, wanted: WantedKey): Promise<FoundKey>;
  /** Forgets the keys of all others. */
  keep(upstreams: readonly Upstream[]): void;
};

type Known = { readonly keys: IssuerKeys; fetches: number; fetchedAtMs: number };

/**
 * The keys of each upstream: from the `jwks_uri` that it is bound to and from nowhere else, whatever a SET points to. What
 * is called unknown was not among keys fetched after it was asked for: a Transmitter that had to change its key at once
 * loses nothing by it. All who ask meanwhile wait for one fetch, so that junk causes no storm.
 *
 * @see SSF 1.0 §4.1.4, SEC-24
 */
export function createSetKeys(options: {
  readonly fetchKeys: (source: KeySource) => Promise<readonly Jwk[]>;
  readonly clock: Clock;
  readonly pause: (ms: number) => Promise<void>;
  readonly onTrouble: (upstream: Upstream, cause: unknown) => void;
}): SetKeys {
  const { fetchKeys, clock, pause, onTrouble } = options;
  const sets = new Map<string, Known>();
  const keyOf = ({ id }: Upstream, { jwksUri }: Binding): string => JSON.stringify([id, jwksUri]);

  function knownOf(upstream: Upstream, binding: Binding): Known {
    const key = keyOf(upstream, binding);
    const known = sets.get(key);
    if (known !== undefined) return known;
    const made: Known = {
      fetches: 0,
      fetchedAtMs: Number.NEGATIVE_INFINITY,
      keys: createIssuerKeys({
        fetchKeys() {
          made.fetches += 1;
          made.fetchedAtMs = clock.monotonicMs();
          return fetchKeys({ url: upstream.settings.issuer, jwks_uri: binding.jwksUri });
        },
        clock,
        cooldownMs: setKeysCooldownMs,
        onTrouble: (cause) => onTrouble(upstream, cause),
      }),
    };
    sets.set(key, made);
    return made;
  }

  return {
    async find(upstream, binding, wanted) {
      const known = knownOf(upstream, binding);
      const { fetches } = known;
      const found = await known.keys.find(wanted);
      if (found.kind !== 'unknown' || known.fetches > fetches) return found;
      await pause(known.fetchedAtMs + setKeysCooldownMs - clock.monotonicMs());
      return known.keys.find(wanted);
    },
    keep(upstreams) {
      const kept = new Set(upstreams.flatMap((one) => (one.binding ? [keyOf(one, one.binding)] : [])));
      for (const key of sets.keys()) if (!kept.has(key)) sets.delete(key);
    },
  };
}
