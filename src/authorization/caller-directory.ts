import { LRUCache } from 'lru-cache';
import type { Millis, TokenId } from '../core/vocabulary.ts';
import type { FindCaller, FoundCaller } from '../http/authenticate.ts';
import type { Caller } from '../http/caller.ts';
import type { Announcer } from '../pipeline/ports.ts';
import type { SpeakingToken, TokenStore } from './ports.ts';
import { hashSecret } from './token-secret.ts';

/** How long a caller is known without asking again, should the announcement of a change be lost. */
const rememberMs = 5_000;
const callersMax = 10_000;
/** Unknown secrets are remembered apart, so that guessing does not push out those who are known. */
const strangersMax = 1_000;

export type CallerDirectory = {
  readonly findCaller: FindCaller;
  /** Everything known is asked for anew. */
  forget(): void;
  /** Writes when tokens were last used. */
  flushUse(): Promise<void>;
};

/** Who holds which secret, answered from memory for a few seconds. Knows secrets by their hash only. */
export function createCallerDirectory(options: {
  readonly store: Pick<TokenStore, 'findBySecret' | 'noteUsed'>;
  readonly announcer: Pick<Announcer, 'subscribe'>;
  readonly nowMs: () => Millis;
}): CallerDirectory {
  const { store, announcer, nowMs } = options;
  const tokens = new LRUCache<string, SpeakingToken>({ max: callersMax, ttl: rememberMs });
  const strangers = new LRUCache<string, true>({ max: strangersMax, ttl: rememberMs });
  const used = new Set<TokenId>();
  let generation = 0;

  function forget(): void {
    generation += 1;
    tokens.clear();
    strangers.clear();
  }

  /** What was read before a change was announced is not remembered after it. */
  async function read(key: string, hash: Uint8Array): Promise<SpeakingToken | undefined> {
    const asked = generation;
    const token = await store.findBySecret(hash);
    if (asked !== generation) return token;
    if (token === undefined) strangers.set(key, true);
    else tokens.set(key, token);
    return token;
  }

  announcer.subscribe('tokens', forget);
  return {
    async findCaller(secret) {
      const hash = hashSecret(secret);
      const key = Buffer.from(hash).toString('base64');
      if (strangers.has(key)) return { kind: 'unknown' };
      const found = judge(tokens.get(key) ?? (await read(key, hash)), nowMs());
      if (found.kind === 'known') used.add(found.caller.tokenId);
      return found;
    },
    forget,
    async flushUse() {
      const ids = [...used];
      used.clear();
      if (ids.length > 0) await store.noteUsed(ids, nowMs());
    },
  };
}

function judge(token: SpeakingToken | undefined, nowMs: Millis): FoundCaller {
  if (token === undefined) return { kind: 'unknown' };
  if (token.revokedAtMs !== undefined) return { kind: 'revoked' };
  if (token.expiresAtMs !== undefined && token.expiresAtMs <= nowMs) return { kind: 'expired' };
  return { kind: 'known', caller: toCaller(token) };
}

const toCaller = (token: SpeakingToken): Caller => ({
  tokenId: token.id,
  actor: token.actor,
  scopes: new Set(token.scopes),
  source: token.source,
  ...(token.point === undefined ? {} : { point: token.point }),
  ...(token.expiresAtMs === undefined ? {} : { expiresAtMs: token.expiresAtMs }),
});
