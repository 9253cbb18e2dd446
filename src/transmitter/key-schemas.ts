import { Type, type Static } from 'typebox';
import { signingAlgorithms } from '../core/stream.ts';
import type { Millis } from '../core/vocabulary.ts';
import { keyStateAt, keyStates, signsUntilMs } from './key-life.ts';
import { type KeyPurpose, keyPurposes, keyTypes, type SigningKey } from './key-ports.ts';

const publicMember = (of: string) => Type.Optional(Type.String({ description: `Of ${of}.` }));

const Jwk = Type.Object({
  kid: Type.String({ description: 'Its thumbprint (RFC 7638).' }),
  alg: Type.Enum([...signingAlgorithms]),
  use: Type.Enum(['sig']),
  kty: Type.Enum([...keyTypes]),
  n: publicMember('RSA keys'),
  e: publicMember('RSA keys'),
  crv: publicMember('EC and OKP keys'),
  x: publicMember('EC and OKP keys'),
  y: publicMember('EC keys'),
});

export const JwkSet = Type.Object(
  { keys: Type.Array(Jwk, { minItems: 1 }) },
  { $id: 'JwkSet', description: 'RFC 7517 §5' },
);

const purpose = Type.Enum([...keyPurposes], {
  description: '`sets`: SETs to receivers. `access-tokens`: what the built-in authorization server gives.',
});

const algorithm = Type.Enum([...signingAlgorithms], {
  description: 'JWS algorithm of the keys.',
  examples: ['RS256'],
});

export const RotateBody = Type.Object(
  {
    for: Type.Optional(purpose),
    algorithm: Type.Optional(
      Type.Enum([...signingAlgorithms], {
        description: 'Of SETs, which always say it. Access tokens have ES256 only.',
        examples: ['RS256'],
      }),
    ),
    compromised: Type.Optional(
      Type.Boolean({
        description:
          'The keys so far may be in wrong hands: all of this algorithm are removed at once, the new one signs at once, and SETs that were not delivered yet are signed anew. Receivers that keep the old `/jwks.json` refuse SETs until they fetch it again; access tokens by the old keys are dead.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'RotateBody' },
);

const keyMembers = {
  for: purpose,
  kid: Type.String({ examples: ['NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs'] }),
  algorithm,
  state: Type.Enum([...keyStates], {
    description:
      '`published`: receivers may fetch it, it does not sign yet. `signing`. `superseded`: signs no more, and is served until no SET that it signed is under way and no access token of it lives. `retired`: served no more.',
  }),
  published_at_ms: Type.Integer({ examples: [1_763_764_000_123] }),
  signs_from_ms: Type.Integer({ examples: [1_763_764_600_123] }),
  signs_until_ms: Type.Optional(Type.Integer({ description: 'When its successor takes its place.' })),
  retired_at_ms: Type.Optional(Type.Integer()),
};

export const KeyReply = Type.Object(keyMembers, { $id: 'SigningKey' });
export const KeyList = Type.Object({ items: Type.Array(KeyReply), next_cursor: Type.Null() });
export const RotationReply = Type.Object(
  {
    ...keyMembers,
    removed: Type.Array(Type.String(), { description: 'The kids that are no longer served.' }),
  },
  { $id: 'Rotation' },
);

/** `keys`: all there are; what one does depends on the others. */
export function toKeyReply(
  of: KeyPurpose,
  key: SigningKey,
  keys: readonly SigningKey[],
  nowMs: Millis,
): Static<typeof KeyReply> {
  const until = signsUntilMs(key, keys);
  return {
    for: of,
    kid: key.kid,
    algorithm: key.algorithm,
    state: keyStateAt(key, keys, nowMs),
    published_at_ms: key.publishedAtMs,
    signs_from_ms: key.signsFromMs,
    ...(until === undefined ? {} : { signs_until_ms: until }),
    ...(key.retiredAtMs === undefined ? {} : { retired_at_ms: key.retiredAtMs }),
  };
}
