import type { ClientId, Millis, TokenId } from '../core/vocabulary.ts';
import type { Presented } from '../enforcement/enforcer-judge.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { ClientDirectory } from './client-directory.ts';
import type { Revocations } from './ports.ts';
import type { TokenEndings } from './token-endings.ts';

/** Clients are looked at so often, should the announcement of a change be lost. */
const lookMs = 5_000;
/** Expiries are looked for this often: a feed outlives its token by less. */
const expiryLookMs = 500;

/** What passed, and whose it is. */
export type Opened = { readonly presented: Presented; readonly client: ClientId };
type Watch = { readonly opened: Opened; readonly callback: () => void };

/** Ends what access tokens opened: at a revocation, with their client or the trust in their issuer, and at their expiry. */
export function createAccessWatches(options: {
  readonly find: (id: TokenId) => Opened | undefined;
  readonly isRefused: (presented: Presented) => boolean;
  readonly revocations: Pick<Revocations, 'onNews'>;
  readonly clients: Pick<ClientDirectory, 'findLiving'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly clock: { readonly nowMs: () => Millis };
  readonly onError: (error: unknown) => void;
}): Pick<TokenEndings, 'onTokenEnded' | 'close'> & {
  /** Ends what would be refused now. */
  readonly endRefused: () => void;
} {
  const { clients, clock, onError } = options;
  const watches = new Set<Watch>();

  function endThose(isOver: (opened: Opened) => boolean): void {
    for (const watch of watches) {
      if (!isOver(watch.opened)) continue;
      watches.delete(watch);
      watch.callback();
    }
  }

  async function endThoseOfRevokedClients(some: Iterable<Watch> = watches): Promise<void> {
    try {
      const ids = new Set([...some].map(({ opened: { client } }) => client));
      for (const id of ids) {
        const living = await clients.findLiving(id);
        if (living === undefined) endThose(({ client }) => client === id);
      }
    } catch (error) {
      onError(error);
    }
  }

  const endRefused = (): void => endThose(({ presented }) => options.isRefused(presented));
  const endIfRefused = ({ opened }: Watch): void => {
    if (options.isRefused(opened.presented)) endThose((other) => other === opened);
  };
  const endExpired = (): void => endThose(({ presented: { token } }) => token.expiresAtMs <= clock.nowMs());
  const look = (): void => {
    endRefused();
    void endThoseOfRevokedClients();
  };

  options.revocations.onNews(endRefused);
  const unsubscribe = options.announcer.subscribe('tokens', () => void endThoseOfRevokedClients());
  const timers = [setInterval(look, lookMs), setInterval(endExpired, expiryLookMs)];
  for (const timer of timers) timer.unref();
  return {
    onTokenEnded({ tokenId }, callback) {
      const opened = options.find(tokenId);
      if (opened === undefined) {
        setImmediate(callback);
        return () => undefined;
      }
      const watch = { opened, callback };
      watches.add(watch);
      // It may have ended between its check and now.
      setImmediate(() => {
        endIfRefused(watch);
        void endThoseOfRevokedClients([watch]);
      });
      return () => void watches.delete(watch);
    },
    endRefused,
    close() {
      unsubscribe();
      for (const timer of timers) clearInterval(timer);
      watches.clear();
    },
  };
}
