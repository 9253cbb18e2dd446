import { clientId, type Millis, type TokenId } from '../core/vocabulary.ts';
import type { Presented } from '../enforcement/enforcer-judge.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { ClientDirectory } from './client-directory.ts';
import type { Revocations } from './ports.ts';
import type { TokenEndings } from './token-endings.ts';

/** Clients are looked at so often, should the announcement of a change be lost. */
const lookMs = 5_000;
/** Expiries are looked for this often: a feed outlives its token by less. */
const expiryLookMs = 500;

type Watch = { readonly presented: Presented; readonly callback: () => void };

/** Ends what access tokens opened: at a revocation, with their client, and at their expiry. */
export function createAccessWatches(options: {
  readonly find: (id: TokenId) => Presented | undefined;
  readonly isRefused: (presented: Presented) => boolean;
  readonly revocations: Pick<Revocations, 'onNews'>;
  readonly clients: ClientDirectory;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly clock: { readonly nowMs: () => Millis };
  readonly onError: (error: unknown) => void;
}): Pick<TokenEndings, 'onTokenEnded' | 'close'> {
  const { clients, clock, onError } = options;
  const watches = new Set<Watch>();

  function endThose(isOver: (presented: Presented) => boolean): void {
    for (const watch of watches) {
      if (!isOver(watch.presented)) continue;
      watches.delete(watch);
      watch.callback();
    }
  }

  async function endThoseOfRevokedClients(some: Iterable<Watch> = watches): Promise<void> {
    try {
      const ids = new Set([...some].map(({ presented }) => clientOf(presented)));
      for (const id of ids) {
        const client = await clients.findLiving(clientId(id));
        if (client === undefined) endThose((presented) => clientOf(presented) === id);
      }
    } catch (error) {
      onError(error);
    }
  }

  const endRefused = (): void => endThose(options.isRefused);
  const endIfRefused = ({ presented }: Watch): void => {
    if (options.isRefused(presented)) endThose((other) => other === presented);
  };
  const endExpired = (): void => endThose(({ token }) => token.expiresAtMs <= clock.nowMs());

  options.revocations.onNews(endRefused);
  const unsubscribe = options.announcer.subscribe('tokens', () => void endThoseOfRevokedClients());
  const timers = [
    setInterval(() => void endThoseOfRevokedClients(), lookMs),
    setInterval(endExpired, expiryLookMs),
  ];
  for (const timer of timers) timer.unref();
  return {
    onTokenEnded({ tokenId }, callback) {
      const presented = options.find(tokenId);
      if (presented === undefined) {
        setImmediate(callback);
        return () => undefined;
      }
      const watch = { presented, callback };
      watches.add(watch);
      // It may have ended between its check and now.
      setImmediate(() => {
        endIfRefused(watch);
        void endThoseOfRevokedClients([watch]);
      });
      return () => void watches.delete(watch);
    },
    close() {
      unsubscribe();
      for (const timer of timers) clearInterval(timer);
      watches.clear();
    },
  };
}

const clientOf = ({ token }: Presented): string => token.context.client_id ?? '';
