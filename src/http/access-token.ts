import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../core/problem.ts';
import { algorithmNames } from '../enforcement/token-signatures.ts';
import type { CheckedRequest } from '../enforcement/enforcer-request.ts';
import type { Refusal as TokenRefusal } from '../enforcement/refusal.ts';
import { readCredentials } from './bearer.ts';
import type { Caller } from './caller.ts';

/** Who calls with an access token (a JWT), and how others are told to get one. */
export type AccessTokens = {
  /** The whole check of a request: token, proof, what is revoked. Rejects only when the storage fails. */
  readonly check: (request: CheckedRequest) => Promise<CheckedToken>;
  /** For challenges. @see RFC 9728 §5.1 */
  readonly resourceMetadataUrl: () => string;
};

export type CheckedToken =
  | {
      readonly kind: 'known';
      readonly caller: Caller;
      /** To be sent with the response. */
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: 'refused'; readonly refusal: TokenRefusal; readonly actor?: string }
  /** No token of an issuer that is known here: it may be something else. */
  | { readonly kind: 'stranger'; readonly refusal: TokenRefusal };

/** Three parts of base64url, the first of which begins like a JSON object. */
const jwtShape = /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/;

/** With the scheme DPoP it is one, whatever it looks like. */
export const looksLikeAccessToken = (kind: 'bearer' | 'dpop', secret: string): boolean =>
  kind === 'dpop' || jwtShape.test(secret);

export const checkedRequestOf = ({ raw, ip }: FastifyRequest): CheckedRequest => ({
  method: raw.method ?? '',
  url: raw.url ?? '',
  headers: raw.headersDistinct,
  address: ip,
});

/** The headers that a refused client acts on; the rest of the answer is a problem like all others. */
const told = ['www-authenticate', 'dpop-nonce', 'retry-after', 'access-control-expose-headers'] as const;

export function problemOf(refusal: TokenRefusal, reply: FastifyReply): Problem {
  const { headers, body } = refusal;
  for (const name of told) if (headers[name] !== undefined) void reply.header(name, headers[name]);
  const extra = {
    reason: body.code,
    ...(body.issued_after === undefined ? {} : { issued_after: body.issued_after }),
  };
  return new Problem(codeOf(refusal), body.text, { hint: hints[body.retry], extra });
}

function codeOf({ status, code }: TokenRefusal) {
  if (status === 400) return 'invalid-request';
  if (status === 403) return 'insufficient-scope';
  if (code === 'keys-unavailable') return 'issuer-unavailable';
  if (status === 429 || status === 503) return 'rate-limited';
  return 'unauthenticated';
}

const hints = {
  never: 'No token of this client will do: ask whoever runs the hub.',
  'new-token': 'Get a new access token from the token endpoint.',
  later: 'Repeat the request as WWW-Authenticate says.',
} as const;

export type ChallengeParameters = { readonly error?: string; readonly scope?: string };

/**
 * The value of `WWW-Authenticate`, for whom it is not a token that is refused: what is missing stands with the scheme
 * that was used, and nothing is missing without credentials.
 *
 * @see RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1
 */
export function challengeOf(
  { raw }: FastifyRequest,
  { error, scope }: ChallengeParameters,
  accessTokens: Pick<AccessTokens, 'resourceMetadataUrl'> | undefined,
): string {
  const used = readCredentials(raw.rawHeaders).kind === 'dpop' ? 'DPoP' : 'Bearer';
  const schemes = accessTokens === undefined ? (['Bearer'] as const) : (['Bearer', 'DPoP'] as const);
  const about =
    accessTokens === undefined ? [] : [`resource_metadata="${accessTokens.resourceMetadataUrl()}"`];
  return schemes
    .map((scheme) => {
      const blame = scheme === used || accessTokens === undefined;
      const parameters = [
        'realm="caep-hub"',
        ...(blame && error !== undefined ? [`error="${error}"`] : []),
        ...(blame && scope !== undefined ? [`scope="${scope}"`] : []),
        ...(scheme === 'DPoP' ? [`algs="${algorithmNames.join(' ')}"`] : []),
        ...about,
      ];
      return `${scheme} ${parameters.join(', ')}`;
    })
    .join(', ');
}
