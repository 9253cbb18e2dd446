import { createHash } from 'node:crypto';
import { deliveryMethods } from '../core/stream.ts';

/** Where the management API is, below the issuer. */
export const ssfPaths = {
  configuration_endpoint: '/ssf/streams',
  status_endpoint: '/ssf/status',
  add_subject_endpoint: '/ssf/subjects/add',
  remove_subject_endpoint: '/ssf/subjects/remove',
  verification_endpoint: '/ssf/verify',
} as const;

const wellKnown = '/.well-known/ssf-configuration';

/** Inserted between host and path of the issuer, never appended. @see SSF 1.0 §7.2.1 */
export const metadataPath = (issuerPath: string): string => wellKnown + issuerPath;

export type Metadata = { readonly text: string; readonly etag: string };

/** What a receiver needs to know of this transmitter. @see SSF 1.0 §7.1 */
export function metadataOf(issuer: string): Metadata {
  const endpoints = Object.entries(ssfPaths).map(([name, path]) => [name, issuer + path]);
  const text = JSON.stringify({
    spec_version: '1_0',
    issuer,
    jwks_uri: `${issuer}/jwks.json`,
    delivery_methods_supported: [deliveryMethods.push, deliveryMethods.poll],
    ...Object.fromEntries(endpoints),
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }, { spec_urn: 'urn:ietf:rfc:6750' }],
    default_subjects: 'ALL',
  });
  return { text, etag: `"${createHash('sha256').update(text).digest('base64url')}"` };
}
