/**
 * What the `Authorization` headers of a request say. `several`: more than one credential; `malformed`: something that
 * is no bearer token.
 *
 * @see RFC 6750 §2.1, RFC 9110 §11.4
 */
export type PresentedCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly secret: string }
  | { readonly kind: 'several' }
  | { readonly kind: 'malformed' };

const secretCharactersMax = 1_024;
const bearerShape = /^bearer +([A-Za-z0-9._~+/-]+=*) *$/i;

/** Takes the headers as received, in pairs (`rawHeaders`): Node itself drops a second `Authorization`. */
export function readCredentials(rawHeaders: readonly string[]): PresentedCredentials {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === 'authorization') values.push(rawHeaders[index + 1] ?? '');
  }
  const [value] = values;
  if (value === undefined) return { kind: 'none' };
  if (values.length > 1 || value.includes(',')) return { kind: 'several' };
  const secret = bearerShape.exec(value)?.[1];
  if (secret === undefined || secret.length > secretCharactersMax) return { kind: 'malformed' };
  return { kind: 'bearer', secret };
}
