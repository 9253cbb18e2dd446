import { Type, type Static } from 'typebox';
import {
  issuerDefaults,
  issuerProfiles,
  profileDefaults,
  signatureAlgorithms,
  type IssuerSettings,
} from '../core/issuer.ts';
import { checkIssuerUrl } from '../core/issuer-url.ts';

const claimNames = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { minItems: 1, maxItems: 8, description });
const days = (count: number) => count * 86_400;

export const IssuerBody = Type.Object(
  {
    url: Type.String({
      maxLength: 2_048,
      description: 'The `iss` of its tokens, byte for byte.',
      examples: ['https://login.example'],
    }),
    profile: Type.Optional(
      Type.Enum([...issuerProfiles], { description: 'Fills what is left out. Default `rfc9068`.' }),
    ),
    jwks_uri: Type.Optional(
      Type.String({
        maxLength: 2_048,
        description: 'Left out: found through the metadata of the issuer (RFC 8414).',
      }),
    ),
    token_types: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
        minItems: 1,
        maxItems: 8,
        description:
          'Accepted `typ` of access tokens, lower case, without `application/`; `none` admits tokens without `typ`.',
      }),
    ),
    algorithms: Type.Optional(
      Type.Array(Type.Enum([...signatureAlgorithms]), {
        minItems: 1,
        maxItems: 10,
        description: 'JWS algorithms.',
      }),
    ),
    client_claims: Type.Optional(claimNames('Claims that name the client, in order of preference.')),
    subject_claims: Type.Optional(claimNames('Claims that name the subject, in order of preference.')),
    session_claims: Type.Optional(claimNames('Claims that name the session, in order of preference.')),
    max_token_life: Type.Optional(
      Type.Integer({
        minimum: 30,
        maximum: days(30),
        description:
          'Longest life of its access tokens in seconds. Points refuse longer ones; cut-offs are kept this long. Default 86400.',
      }),
    ),
    skew: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 300,
        description: 'Most that its clock runs ahead of ours, seconds. Default 5.',
      }),
    ),
    longest_session: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: days(400),
        description: 'Longest life of a session in seconds. Default 2592000.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'IssuerBody' },
);

export const IssuerReply = Type.Object(
  {
    url: Type.String(),
    profile: Type.String(),
    jwks_uri: Type.Optional(Type.String()),
    token_types: Type.Array(Type.String()),
    algorithms: Type.Array(Type.String()),
    client_claims: Type.Array(Type.String()),
    subject_claims: Type.Array(Type.String()),
    session_claims: Type.Array(Type.String()),
    max_token_life: Type.Integer(),
    skew: Type.Integer(),
    longest_session: Type.Integer(),
  },
  { $id: 'Issuer' },
);

/** @throws Problem `invalid-request` for URLs that no issuer can have (RFC 8414 §2). */
export function toIssuerSettings(body: Static<typeof IssuerBody>): IssuerSettings {
  const profile = body.profile ?? 'rfc9068';
  checkIssuerUrl(body.url, '/url', { noQuery: true });
  if (body.jwks_uri !== undefined) checkIssuerUrl(body.jwks_uri, '/jwks_uri', { noQuery: false });
  return { ...issuerDefaults, ...profileDefaults[profile], ...body, profile };
}
