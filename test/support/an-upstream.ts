import { randomBytes } from 'node:crypto';
import { sourceId, upstreamId } from '../../src/core/vocabulary.ts';
import type { NewUpstream, UpstreamSecrets, UpstreamSettings } from '../../src/receiver/ports.ts';

/** As a person set it up just now. */
export const aNewUpstream = (
  name: string,
  settings: Partial<UpstreamSettings> & Pick<UpstreamSettings, 'issuer'>,
  atMs: number,
): NewUpstream => ({
  id: upstreamId(`up_${randomBytes(32).toString('base64url')}`),
  name: sourceId(name),
  settings: {
    delivery: 'push',
    algorithm: 'ES256',
    verifyEverySeconds: 600,
    subjectInEvent: false,
    typMayBeMissing: false,
    ...settings,
  },
  dueAtMs: atMs,
  createdAtMs: atMs,
});

export const someSecrets: UpstreamSecrets = {
  credentials: { kind: 'token', token: 'hunter2-token' },
  pushAuthorization: 'Bearer hunter2-push',
};

export const limitsOf = (issuer: string) => ({ eventTypes: [], subjectIssuers: [issuer] });
