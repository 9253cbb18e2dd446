import type { Seconds } from '../core/vocabulary.ts';

export type Scheme = 'DPoP' | 'Bearer';

/** What a challenge offers, whatever went wrong. */
export type ChallengeSettings = {
  /** The schemes that the route takes, the preferred one first. */
  readonly schemes: readonly Scheme[];
  /** The scheme that the request used: errors stand with it. */
  readonly used?: Scheme;
  readonly algorithms: readonly string[];
  /** RFC 9728 §5.1. */
  readonly resourceMetadata?: string;
};

export type ChallengeError = {
  readonly error: string | undefined;
  readonly text: string;
  readonly scope?: string;
  readonly acrValues?: readonly string[];
  readonly maxAge?: Seconds;
};

/**
 * The value of `WWW-Authenticate`: one line, because some gateways keep the first of several. No error without
 * credentials; with them, on the scheme that was used.
 *
 * @see RFC 6750 §3, RFC 9449 §7.1 and §7.2, RFC 9470 §3, RFC 9728 §5.1
 */
export function challenge(failure: ChallengeError, settings: ChallengeSettings): string {
  const { used, resourceMetadata } = settings;
  const listed = used === undefined || settings.schemes.includes(used) ? [] : [used];
  const blamed = used ?? settings.schemes[0];
  return [...listed, ...settings.schemes]
    .map((scheme) => {
      const parameters = [
        ...(scheme === blamed ? errorParameters(failure) : []),
        ...(scheme === 'DPoP' ? [`algs=${quoted(settings.algorithms.join(' '))}`] : []),
        ...(resourceMetadata === undefined ? [] : [`resource_metadata=${quoted(resourceMetadata)}`]),
      ];
      return parameters.length === 0 ? scheme : `${scheme} ${parameters.join(', ')}`;
    })
    .join(', ');
}

function errorParameters({ error, text, scope, acrValues, maxAge }: ChallengeError): string[] {
  if (error === undefined) return [];
  return [
    ...parameter('error', error),
    ...parameter('error_description', text),
    ...parameter('scope', scope),
    ...parameter('acr_values', acrValues?.join(' ')),
    ...parameter('max_age', maxAge?.toString()),
  ];
}

/** Left out when nothing is left to say: RFC 6750 §3 has no empty `scope`. */
function parameter(name: string, value: string | undefined): string[] {
  const said = quoted(value ?? '');
  return said === '""' ? [] : [`${name}=${said}`];
}

/** Only what RFC 6750 §3 allows in such a value: printable ASCII without quote and backslash. */
const quoted = (text: string): string => `"${text.replaceAll(/[^\x20-\x21\x23-\x5B\x5D-\x7E]/g, '')}"`;
