import { createTokenStore } from '../adapters/postgres/token-store.ts';
import type { AuditStore } from '../audit/ports.ts';
import { createRefusalLog } from '../audit/refusal-log.ts';
import { createCallerDirectory } from '../authorization/caller-directory.ts';
import { createTokenEndings, type TokenEndings } from '../authorization/token-endings.ts';
import { isAccessTokenId } from '../authorization/token-holder.ts';
import { warn, type Hub } from './platform.ts';

/** How often refused attempts of past minutes and the last use of tokens are written. */
const writeDownMs = 15_000;

export type Tokens = ReturnType<typeof wireTokens>;

/** Who may call, and who was turned away. */
export function wireTokens(
  { database, announcer, clock, log, closers }: Hub,
  audit: AuditStore,
  accessTokens: () => Pick<TokenEndings, 'onTokenEnded'>,
) {
  const { nowMs } = clock;
  const store = createTokenStore({ database, announcer });
  const callers = createCallerDirectory({ store, announcer, nowMs });
  const refusals = createRefusalLog({ store: audit, nowMs });
  const endings = createTokenEndings({
    store,
    announcer,
    nowMs,
    onError: warn(log, 'tokens were not looked at'),
  });
  closers.add('token endings', () => endings.close());
  const write = (all: boolean) => Promise.all([refusals.flush(all), callers.flushUse()]);
  const onError = warn(log, 'refused attempts or the last use of tokens were not written');
  const timer = setInterval(() => void write(false).catch(onError), writeDownMs);
  closers.add('last writes', async () => {
    clearInterval(timer);
    await write(true);
  });
  const onTokenEnded: TokenEndings['onTokenEnded'] = (token, callback) =>
    (isAccessTokenId(token.tokenId) ? accessTokens() : endings).onTokenEnded(token, callback);
  return { store, callers, refusals, onTokenEnded };
}
