import { fields, millisText, spanText } from '../text.ts';
import type { Upstream } from '../wire.ts';

/** One upstream, line by line. */
export const linesOf = (upstream: Upstream): readonly string[] => [
  ...fields({
    upstream: upstream.name,
    issuer: upstream.issuer,
    is: `${upstream.health.state}: ${upstream.health.text}`,
    delivery: upstream.push_url === undefined ? 'poll' : `push to ${upstream.push_url}`,
    'calls as': callsAs(upstream),
    stream: upstream.binding?.stream_id,
    audience: upstream.binding?.audience.join(', '),
    keys: upstream.binding?.jwks_uri,
    algorithm: upstream.algorithm,
    carries: upstream.binding?.events_delivered?.map((uri) => uri.slice(uri.lastIndexOf('/') + 1)).join(', '),
    'verified every': spanText(upstream.verify_every_seconds * 1_000),
    'last SET': upstream.last_set_at_ms && millisText(upstream.last_set_at_ms),
    'next look': upstream.paused ? undefined : millisText(upstream.due_at_ms),
  }),
  ...(upstream.warnings ?? []).map((warning) => `warning: ${warning}`),
];

const callsAs = ({ credentials }: Upstream): string | undefined =>
  credentials === undefined
    ? undefined
    : credentials.kind === 'client'
      ? `client ${credentials.client_id ?? ''} by ${credentials.method ?? ''}`
      : credentials.kind === 'token'
        ? 'holder of a token'
        : 'nobody';
