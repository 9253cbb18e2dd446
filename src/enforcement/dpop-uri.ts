/**
 * A URI without query and fragment, normalised by syntax and scheme, so that two ways of writing one target are equal:
 * case of scheme, host and percent triplets, percent-encoded unreserved characters, dot segments, default port, empty path.
 * `undefined` for what is no absolute http(s) URI, for user information, and for characters a URI cannot have.
 *
 * WHATWG `URL` is no help here: it keeps `%7E` apart from `~`, keeps user information, and reads `\` as `/`.
 *
 * @see RFC 3986 §6.2.2, §6.2.3; RFC 9449 §4.3 (9)
 */
export function normaliseUri(uri: string): string | undefined {
  if (uri.length > uriCharactersMax) return undefined;
  const parts = uriShape.exec(uri);
  const scheme = parts?.[1]?.toLowerCase();
  const host = parts?.[2];
  if (!host || (scheme !== 'http' && scheme !== 'https')) return undefined;
  const port = parts[3] ? Number(parts[3]) : defaultPorts[scheme];
  const path = removeDotSegments(normaliseTriplets(parts[4] ?? ''));
  return `${scheme}://${host.toLowerCase()}${port === defaultPorts[scheme] ? '' : `:${port}`}${path || '/'}`;
}

/**
 * Path and query of a request target in origin form or absolute form; whatever authority the latter names is dropped,
 * because a client chooses it.
 *
 * @see RFC 9112 §3.2
 */
export function targetPath(target: string): string {
  if (target.startsWith('/')) return target;
  const path = target.replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]*/, '');
  return path.startsWith('/') ? path : `/${path}`;
}

/** Whether a URI has dot segments, encoded or not. Routers take them as they stand: what they lead to is another target. */
export function hasDotSegments(uri: string): boolean {
  const [, , , , path = ''] = uriShape.exec(uri) ?? [];
  const written = normaliseTriplets(path);
  return removeDotSegments(written) !== written;
}

const uriCharactersMax = 8_192;
const defaultPorts = { http: 80, https: 443 } as const;

/** Scheme, host (name, IPv4 or bracketed IPv6), port, path; then query and fragment. Percent signs only as triplets. */
const uriShape =
  /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?((?:\/(?:[\w.~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?)(?:\?[^#]*)?(?:#.*)?$/;

const unreserved = /[\w.~-]/;

const normaliseTriplets = (path: string): string =>
  path.replaceAll(/%[0-9A-Fa-f]{2}/g, (triplet) => {
    const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16));
    return unreserved.test(character) ? character : triplet.toUpperCase();
  });

/** RFC 3986 §5.2.4 for a path that is empty or begins with a slash. */
function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path;
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (last) kept.push('');
  });
  return `/${kept.join('/')}`;
}
