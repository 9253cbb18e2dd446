import type { Clock } from '../enforcement/feed-types.ts';
import { createIssuerKeys, type FoundKey, type IssuerKeys, type WantedKey } from '../enforcement/jwks.ts';
import type { KeySource } from '../enforcement/jwks-fetch.ts';
import type { Jwk } from '../enforcement/token-signatures.ts';
import type { Binding, Upstream } from './ports.ts';

export type SetKeys = {
  find(upstream: Upstream, binding: Binding, wanted: WantedKey): Promise<FoundKey>;
  /** Forgets the keys of all others. */
  keep(upstreams: readonly Upstream[]): void;
};

/**
 * The keys of each upstream: from the `jwks_uri` that it is bound to and from nowhere else, whatever a SET points to. A
 * `kid` that is new causes one fetch, and junk no storm of them.
 *
 * @see SSF 1.0 §4.1.4, SEC-24
 */
export function createSetKeys(options: {
  readonly fetchKeys: (source: KeySource) => Promise<readonly Jwk[]>;
  readonly clock: Clock;
  readonly onTrouble: (upstream: Upstream, cause: unknown) => void;
}): SetKeys {
  const sets = new Map<string, IssuerKeys>();
  const keyOf = ({ id }: Upstream, { jwksUri }: Binding): string => JSON.stringify([id, jwksUri]);
  return {
    find(upstream, binding, wanted) {
      const key = keyOf(upstream, binding);
      const known = sets.get(key);
      if (known !== undefined) return known.find(wanted);
      const keys = createIssuerKeys({
        fetchKeys: () => options.fetchKeys({ url: upstream.settings.issuer, jwks_uri: binding.jwksUri }),
        clock: options.clock,
        onTrouble: (cause) => options.onTrouble(upstream, cause),
      });
      sets.set(key, keys);
      return keys.find(wanted);
    },
    keep(upstreams) {
      const kept = new Set(upstreams.flatMap((one) => (one.binding ? [keyOf(one, one.binding)] : [])));
      for (const key of sets.keys()) if (!kept.has(key)) sets.delete(key);
    },
  };
}
