import fc from 'fast-check';
import type { Match } from '../../src/core/revocation.ts';

/** Text that can be stored; whole characters only. */
export const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((value) => !value.includes('\u0000'));

const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const thumbprint = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('base64url'));
const segment = fc.string({ unit: fc.constantFrom(...Array.from(base64url)), minLength: 1, maxLength: 4 });
const workload = fc
  .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.boolean())
  .map(([path, below]) => `spiffe://td.example/${path.join('/')}${below ? '/*' : ''}`);

/** Any match that `parseMatch` lets through: with an issuer wherever one is needed. */
export const aMatch: fc.Arbitrary<Match> = fc
  .record(
    {
      iss: text,
      sub: text,
      client_id: text,
      jti: text,
      sid: text,
      jkt: thumbprint,
      'x5t#S256': thumbprint,
      token_sha256: thumbprint,
      workload,
    },
    { requiredKeys: [] },
  )
  .map((match) => {
    const { sub, client_id, jti, sid } = match;
    const needsIssuer = [sub, client_id, jti, sid].some((value) => value !== undefined);
    return needsIssuer && match.iss === undefined ? { ...match, iss: 'https://idp.example' } : match;
  })
  .filter((match) => Object.keys(match).length > 0);
