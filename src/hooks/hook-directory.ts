import type { FollowedRows } from '../pipeline/ports.ts';
import type { SpeakingHook } from './ports.ts';

/** This node's view of all hooks: names that nobody has cost no look into the database. */
export type HookDirectory = {
  /** As it is after every change that was announced before. Never rejects. */
  find(name: string): Promise<SpeakingHook | undefined>;
};

export function createHookDirectory(
  rows: Pick<FollowedRows<SpeakingHook>, 'all' | 'onRead' | 'settled'>,
): HookDirectory {
  let known: ReadonlyMap<string, SpeakingHook>;
  const take = () => void (known = new Map(rows.all().map((hook) => [hook.id, hook])));
  take();
  rows.onRead(take);
  return {
    async find(name) {
      await rows.settled();
      return known.get(name);
    },
  };
}
