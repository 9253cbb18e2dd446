import { Problem } from './problem.ts';

/**
 * For settings of an issuer: its own URL must have no query.
 *
 * @throws Problem `invalid-request` for what no URL of an issuer, or of its keys, can be.
 * @see RFC 8414 §2
 */
export function checkIssuerUrl(text: string, path: string, rules: { readonly noQuery: boolean }): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const wrong =
    url === undefined
      ? 'is not a URL'
      : url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname))
        ? 'must begin with https:// (http:// is for loopback addresses only)'
        : url.username !== '' || url.password !== ''
          ? 'must not carry a user name or password'
          : url.hash !== '' || (rules.noQuery && url.search !== '')
            ? 'must have no query and no fragment'
            : undefined;
  if (wrong === undefined) return;
  throw new Problem('invalid-request', `${path.slice(1)} ${wrong}.`, {
    hint: 'Give the issuer exactly as it stands in the `iss` claim of its tokens.',
    errors: [{ path, message: wrong }],
  });
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
