import { randomUUID } from 'node:crypto';
import { importJWK, type JWK, jwtVerify } from 'jose';
import type { Reply, Request } from './upstream-http.ts';

/** Who may call the management API and the poll endpoints. */
export type UpstreamAuthorization =
  | { readonly kind: 'none' }
  | { readonly kind: 'token'; readonly token: string }
  | {
      readonly kind: 'client';
      readonly clientId: string;
      readonly clientSecret?: string;
      /** For `private_key_jwt`. */
      readonly publicJwk?: JWK;
      /** Seconds; absent: an hour. `null`: the answer does not say. */
      readonly expiresIn?: number | null;
    };

/** One request at the token endpoint that was answered with a token. */
export type TokenRequest = {
  readonly method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';
  readonly scope?: string;
  readonly resource?: string;
};

/** The authorization server of an upstream. */
export type UpstreamTokens = {
  readonly given: readonly TokenRequest[];
  /** Ends all tokens: requests with them are answered 401. */
  readonly revoke: () => void;
  readonly answer: (request: Request) => Promise<Reply>;
  /** Why a request to the API is refused. */
  readonly refusal: (request: Request) => Reply | undefined;
};

export function makeUpstreamTokens(
  authorization: UpstreamAuthorization,
  audiences: readonly string[],
): UpstreamTokens {
  const given: TokenRequest[] = [];
  const tokens = new Set<string>(authorization.kind === 'token' ? [authorization.token] : []);
  const usedAssertions = new Set<string>();

  return {
    given,
    revoke: () => tokens.clear(),
    async answer(request) {
      if (authorization.kind !== 'client') return { status: 404 };
      const form = new URLSearchParams(request.body);
      if (form.get('grant_type') !== 'client_credentials') return refuse(400, 'unsupported_grant_type');
      const method = await authenticate(request, form, { authorization, audiences, usedAssertions });
      if (method === undefined) return refuse(401, 'invalid_client');
      const [scope, resource] = [form.get('scope'), form.get('resource')];
      given.push({
        method,
        ...(scope === null ? {} : { scope }),
        ...(resource === null ? {} : { resource }),
      });
      const token = `at-${randomUUID()}`;
      tokens.add(token);
      const { expiresIn = 3_600 } = authorization;
      const life = expiresIn === null ? {} : { expires_in: expiresIn };
      const body = { access_token: token, token_type: 'Bearer', ...life };
      return { status: 200, headers: { 'cache-control': 'no-store' }, body };
    },
    refusal({ headers }) {
      if (authorization.kind === 'none') return undefined;
      const [, token = ''] = /^Bearer (.+)$/.exec(headers.authorization ?? '') ?? [];
      if (tokens.has(token)) return undefined;
      const error = token === '' ? '' : ' error="invalid_token"';
      return { status: 401, headers: { 'www-authenticate': `Bearer${error}` } };
    },
  };
}

const refuse = (status: number, error: string): Reply => ({
  status,
  body: { error, error_description: 'a text that quotes client-secret' },
});

type Known = {
  readonly authorization: Extract<UpstreamAuthorization, { readonly kind: 'client' }>;
  readonly audiences: readonly string[];
  readonly usedAssertions: Set<string>;
};

/** @see RFC 6749 §2.3.1, RFC 7523 §3 */
async function authenticate(
  { headers }: Request,
  form: URLSearchParams,
  { authorization, audiences, usedAssertions }: Known,
): Promise<TokenRequest['method'] | undefined> {
  const { clientId, clientSecret, publicJwk } = authorization;
  const assertion = form.get('client_assertion');
  if (assertion !== null) {
    if (publicJwk === undefined) return undefined;
    try {
      const { payload } = await jwtVerify(assertion, await importJWK(publicJwk), {
        issuer: clientId,
        subject: clientId,
        audience: [...audiences],
        requiredClaims: ['exp', 'jti'],
      });
      if (usedAssertions.has(payload.jti ?? '')) return undefined;
      usedAssertions.add(payload.jti ?? '');
      return 'private_key_jwt';
    } catch {
      return undefined;
    }
  }
  if (clientSecret === undefined) return undefined;
  const [, basic] = /^Basic (.+)$/.exec(headers.authorization ?? '') ?? [];
  if (basic !== undefined) {
    const [id, secret] = Buffer.from(basic, 'base64').toString('utf8').split(':').map(decodeForm);
    return id === clientId && secret === clientSecret ? 'client_secret_basic' : undefined;
  }
  const fits = form.get('client_id') === clientId && form.get('client_secret') === clientSecret;
  return fits ? 'client_secret_post' : undefined;
}

const decodeForm = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '));
