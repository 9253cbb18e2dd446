import type { FollowedRows } from '../pipeline/ports.ts';
import type { SigningKey } from './key-ports.ts';
import type { IsKeyServed } from './ports.ts';

/** The signing keys: what signing and publishing read without a query. A new key waits far longer before it signs than its announcement may be late. */
export type KeyDirectory = FollowedRows<SigningKey> & {
  /** A kid that is not known yet counts as served until a look has shown that there is no such key: another node may have just made it. */
  readonly isServed: IsKeyServed;
};

export function createKeyDirectory(
  rows: FollowedRows<SigningKey>,
  onError: (cause: unknown) => void,
): KeyDirectory {
  let known: ReadonlyMap<string, SigningKey>;
  /** Kids of SETs of ours that are in no row; as few as there ever were keys. */
  const missing = new Set<string>();
  const take = () => void (known = new Map(rows.all().map((key) => [key.kid, key])));
  take();
  rows.onRead(take);

  async function lookFor(kid: string): Promise<void> {
    await rows.refresh();
    if (!known.has(kid)) missing.add(kid);
  }

  return {
    ...rows,
    isServed(kid) {
      const key = known.get(kid);
      if (key !== undefined) return key.retiredAtMs === undefined;
      if (missing.has(kid)) return false;
      void lookFor(kid).catch(onError);
      return true;
    },
  };
}
