import { wellKnownMetadataUrl } from '../core/metadata-url.ts';
import type { SafeFetch } from '../core/outgoing.ts';
import { Problem } from '../core/problem.ts';
import { isJsonObject } from '../enforcement/token-format.ts';

/**
 * Whose metadata this is. Only what stands where that issuer's metadata belongs is believed without somebody naming the
 * issuer, too.
 *
 * @throws Problem `upstream-failed` when it cannot be had, `invalid-request` when it is somebody else's.
 * @see SSF 1.0 §7.2.4
 */
export async function readIssuer(url: string, fetch: SafeFetch): Promise<string> {
  const outcome = await fetch({ url, method: 'GET', headers: { accept: 'application/json' } });
  if (outcome.kind === 'failed') throw cannotRead(`it gave no answer that can be used: ${outcome.detail}`);
  if (outcome.status !== 200) throw cannotRead(`it answered ${outcome.status}`);
  const metadata = parse(outcome.body);
  const issuer = isJsonObject(metadata) ? metadata['issuer'] : undefined;
  if (typeof issuer !== 'string' || !URL.canParse(issuer)) throw cannotRead('it names no issuer');
  if (wellKnownMetadataUrl(new URL(issuer)) === url) return issuer;
  throw new Problem(
    'invalid-request',
    'The metadata is that of an issuer whose metadata belongs elsewhere.',
    {
      hint: 'Give "issuer", too, if you know that this Transmitter is who it says it is.',
      errors: [{ path: '/metadata_url', message: 'is not where the metadata of its issuer belongs' }],
    },
  );
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return undefined;
  }
}

const cannotRead = (why: string): Problem =>
  new Problem('upstream-failed', `The metadata of the Transmitter cannot be had: ${why}.`, {
    hint: 'Look whether metadata_url is right, and whether the hub may go there (OUTBOUND_ALLOW).',
    extra: { step: 'discover' },
  });
