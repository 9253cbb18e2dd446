import type { Scheme } from './challenges.ts';
import { type Reason, reason } from './refusal.ts';

/**
 * A request as a check needs it. A web-standard `Request` is one; so is `{ method, url, headers }` of Node, with header
 * names in lower case (better `headersDistinct` than `headers`, which hides a second Authorization).
 */
export type CheckedRequest = {
  readonly method: string;
  /** The request target or a whole URL. Scheme and host in it do not count: `origin` does. */
  readonly url: string;
  readonly headers: FieldLookup | FieldTable;
  /** Where it came from, for reports of refusals. */
  readonly address?: string;
};
type FieldLookup = { readonly get: (name: string) => string | null };
type FieldTable = { readonly [name: string]: string | readonly string[] | undefined };

export type Credentials = {
  readonly kind: 'credentials';
  readonly scheme: Scheme;
  readonly token: string;
  /** The `DPoP` header fields. */
  readonly proofs: readonly string[];
};

/** One access token in one Authorization header. @see RFC 6750 §2, RFC 9449 §7.1 */
export function readCredentials({ headers, url }: CheckedRequest): Credentials | Reason {
  const [field, ...others] = fieldsOf(headers, 'authorization');
  const inQuery = queryToken.test(url);
  if (field === undefined) return reason('no-credentials');
  if (others.length > 0 || inQuery || field.includes(',')) return reason('ambiguous-credentials');
  const [, scheme, token] = credentialsShape.exec(field) ?? [];
  if (!scheme) return reason('no-credentials');
  if (!token) return reason('malformed-token');
  return {
    kind: 'credentials',
    scheme: scheme.toLowerCase() === 'dpop' ? 'DPoP' : 'Bearer',
    token,
    proofs: fieldsOf(headers, 'dpop'),
  };
}

function fieldsOf(headers: CheckedRequest['headers'], name: string): readonly string[] {
  if (isLookup(headers)) {
    const field = headers.get(name);
    return field === null ? [] : [field];
  }
  const fields = Object.hasOwn(headers, name) ? headers[name] : undefined;
  if (fields === undefined) return [];
  return typeof fields === 'string' ? [fields] : fields;
}

const isLookup = (headers: CheckedRequest['headers']): headers is FieldLookup =>
  typeof headers['get'] === 'function';

const queryToken = /[?&]access_token=/;
const credentialsShape = /^(bearer|dpop)(?: +(\S*))?$/i;
