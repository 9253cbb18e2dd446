import type { Stream, StreamProfile } from './stream.ts';
import type { JsonObject } from './vocabulary.ts';

export type ProfileDemands = {
  /** Of a stream, whoever makes or changes it. */
  readonly stream: Pick<Stream, 'algorithm' | 'defaultSubjects'>;
  /** What it delivers when its receiver asks for nothing. */
  readonly events: readonly string[];
};

const caep = (name: string): string => `https://schemas.openid.net/secevent/caep/event-type/${name}`;

/** What is left to say: the rest of a profile holds for every stream. `test/conformance/caep-interop` goes through all of it. */
export const profileDemands: Readonly<Record<StreamProfile, ProfileDemands>> = {
  /** CAEP Interoperability Profile 1.0 draft 02 §2.4.2, §2.6, §3.1, §3.2 */
  'caep-interop-1.0-draft-02': {
    stream: { algorithm: 'RS256', defaultSubjects: 'ALL' },
    events: [caep('session-revoked'), caep('credential-change')],
  },
};

/** In these roles an identifier means by itself what it means there; a session's or a token's does not. */
const plainRoles = new Set(['user', 'application']);
const plainFormats = new Set<unknown>(['email', 'iss_sub']);

/**
 * The subject in a format that every Receiver of the profile takes, where that says the same: a complex subject with one
 * member, a user or an application, is that member. What cannot be said so stays as it is.
 *
 * @see CAEP Interoperability Profile 1.0 draft 02 §2.5
 */
export function plainSubject(subject: JsonObject): JsonObject {
  const [member, ...others] = Object.entries(subject).filter(([name]) => name !== 'format');
  if (subject['format'] !== 'complex' || member === undefined || others.length > 0) return subject;
  const [role, identifier] = member;
  if (typeof identifier !== 'object' || identifier === null || Array.isArray(identifier)) return subject;
  const plain = identifier as JsonObject;
  return plainRoles.has(role) && plainFormats.has(plain['format']) ? plain : subject;
}
