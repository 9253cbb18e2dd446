import { wellKnownMetadataUrl } from '../../core/metadata-url.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import type {
  Called,
  TransmitterEndpoints,
  TransmitterMetadata,
  UpstreamSettings,
} from '../../receiver/ports.ts';
import { failed, type MakeCall, own, readAnswer } from './call.ts';
import { readTexts, readUrl } from './read-members.ts';

const endpoint = 'metadata';

/**
 * The metadata of a Transmitter, as far as it can be trusted: the issuer is the one that was set, and every URL in it is
 * one that the hub would call.
 *
 * @see SSF 1.0 §7.2, SEC-10
 */
export async function discover(
  { issuer, metadataUrl }: Pick<UpstreamSettings, 'issuer' | 'metadataUrl'>,
  call: MakeCall,
): Promise<Called<TransmitterMetadata>> {
  const usual = metadataUrlOf(issuer);
  if (usual === undefined) {
    return failed('discover', 'The issuer is no URL with https, without query and fragment: set it anew.');
  }
  const url = metadataUrl ?? usual;
  const answered = await call({ step: 'discover', endpoint, url, method: 'GET', done: 200 });
  if (answered.kind === 'failed') return answered;
  return readAnswer(answered.value, { step: 'discover', endpoint }, (metadata) =>
    readMetadata(metadata, { issuer, url }),
  );
}

/** `undefined`: no issuer is like that. */
export function metadataUrlOf(issuer: string): string | undefined {
  const url = readUrl(issuer);
  return url === undefined || url.search !== '' ? undefined : wellKnownMetadataUrl(url);
}

const endpointMembers = {
  configuration: 'configuration_endpoint',
  status: 'status_endpoint',
  addSubject: 'add_subject_endpoint',
  removeSubject: 'remove_subject_endpoint',
  verification: 'verification_endpoint',
} as const satisfies Record<keyof TransmitterEndpoints, string>;

function readMetadata(
  metadata: JsonObject,
  asked: { readonly issuer: string; readonly url: string },
): TransmitterMetadata | string {
  if (own(metadata, 'issuer') !== asked.issuer) return 'it is the metadata of another issuer';
  const jwksUri = own(metadata, 'jwks_uri');
  if (jwksUri === undefined) return 'it names no jwks_uri, and SETs that nobody signed are not taken';
  if (typeof jwksUri !== 'string' || readUrl(jwksUri) === undefined)
    return 'its jwks_uri is no URL with https';
  const endpoints = readEndpoints(metadata, asked);
  if (typeof endpoints === 'string') return endpoints;
  const deliveryMethods = readTexts(own(metadata, 'delivery_methods_supported'));
  const criticalSubjectMembers = readTexts(own(metadata, 'critical_subject_members'));
  if (deliveryMethods === null) return 'its delivery_methods_supported is no list of texts';
  if (criticalSubjectMembers === null) return 'its critical_subject_members is no list of texts';
  return {
    issuer: asked.issuer,
    jwksUri,
    endpoints,
    ...(deliveryMethods === undefined ? {} : { deliveryMethods }),
    criticalSubjectMembers: criticalSubjectMembers ?? [],
  };
}

/**
 * Where the credentials go. All at one origin: that of the issuer, that of the metadata where a person named it, or one
 * other, which is then the same for all.
 */
function readEndpoints(
  metadata: JsonObject,
  { issuer, url }: { readonly issuer: string; readonly url: string },
): TransmitterEndpoints | string {
  const found = Object.entries(endpointMembers).flatMap(([name, member]) => {
    const value = own(metadata, member);
    return value === undefined ? [] : [{ name, member, value, at: readUrl(value) }];
  });
  const wrong = found.find(({ at }) => at === undefined);
  if (wrong !== undefined) return `its ${wrong.member} is no URL with https`;
  const home = new Set([new URL(issuer).origin, new URL(url).origin]);
  const origins = new Set(found.map(({ at }) => at?.origin ?? ''));
  if (origins.size > 1 && ![...origins].every((origin) => home.has(origin))) {
    return 'its endpoints are neither all where the issuer is, nor all at one other origin';
  }
  return Object.fromEntries(found.map(({ name, value }) => [name, value])) as TransmitterEndpoints;
}
