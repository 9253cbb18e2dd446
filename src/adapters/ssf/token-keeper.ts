import type { Millis, Seconds } from '../../core/vocabulary.ts';
import type { Called, UpstreamCredentials } from '../../receiver/ports.ts';

/** As an authorization server gave it; without `expiresInSeconds` where it does not say. */
export type AccessToken = { readonly token: string; readonly expiresInSeconds?: Seconds };

/** The token that goes with every call. */
export type TokenKeeper = {
  /** `undefined`: none goes with it. */
  readonly get: () => Promise<Called<string | undefined>>;
  /** The Transmitter refused this one; whether another can be had. */
  readonly refused: (token: string | undefined) => boolean;
};

/** A token is left alone so long before its end, or in its second half where that is shorter. */
const marginSeconds: Seconds = 30;
/** Where the authorization server does not say how long it lives. */
const unknownLifeSeconds: Seconds = 300;
/** No token is kept longer, whatever the authorization server says. */
const lifeSecondsMax: Seconds = 86_400;

/** Remembers the token of a client; callers who want one at the same time wait for the same request. */
export function createTokenKeeper({
  credentials,
  request,
  nowMs,
}: {
  readonly credentials: UpstreamCredentials;
  /** For credentials of a client. */
  readonly request: () => Promise<Called<AccessToken>>;
  readonly nowMs: () => Millis;
}): TokenKeeper {
  if (credentials.kind !== 'client') {
    const token = credentials.kind === 'token' ? credentials.token : undefined;
    return { get: async () => ({ kind: 'done', value: token }), refused: () => false };
  }
  let held: { readonly token: string; readonly untilMs: Millis } | undefined;
  let underWay: Promise<Called<string>> | undefined;
  const renew = async (): Promise<Called<string>> => {
    const got = await request();
    if (got.kind === 'failed') return got;
    const { token, expiresInSeconds = unknownLifeSeconds } = got.value;
    const life = Math.min(expiresInSeconds, lifeSecondsMax);
    held = { token, untilMs: nowMs() + (life - Math.min(marginSeconds, life / 2)) * 1_000 };
    return { kind: 'done', value: token };
  };
  return {
    get: async () => {
      if (held !== undefined && nowMs() < held.untilMs) return { kind: 'done', value: held.token };
      underWay ??= renew().finally(() => {
        underWay = undefined;
      });
      return underWay;
    },
    refused: (token) => {
      if (held?.token === token) held = undefined;
      return true;
    },
  };
}
