/**
 * What the `Authorization` headers of a request say. `several`: more than one credential; `malformed`: something that
 * is neither a bearer token nor one that is bound to a key.
 *
 * @see RFC 6750 §2.1, RFC 9110 §11.4, RFC 9449 §7.1
 */
export type PresentedCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer' | 'dpop'; readonly secret: string }
  | { readonly kind: 'several' }
  | { readonly kind: 'malformed' };

const secretCharactersMax = 8_192;
const credentialsShape = /^(bearer|dpop) +([A-Za-z0-9._~+/-]+=*) *$/i;

/** Takes the headers as received, in pairs (`rawHeaders`): Node itself drops a second `Authorization`. */
export function readCredentials(rawHeaders: readonly string[]): PresentedCredentials {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === 'authorization') values.push(rawHeaders[index + 1] ?? '');
  }
  const [value] = values;
  if (value === undefined) return { kind: 'none' };
  if (values.length > 1 || value.includes(',')) return { kind: 'several' };
  const [, scheme, secret] = credentialsShape.exec(value) ?? [];
  if (secret === undefined || secret.length > secretCharactersMax) return { kind: 'malformed' };
  return { kind: scheme?.toLowerCase() === 'dpop' ? 'dpop' : 'bearer', secret };
}
