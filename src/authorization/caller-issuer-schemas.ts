import { Type, type Static } from 'typebox';
import {
  issuerDefaults,
  issuerProfiles,
  profileDefaults,
  signatureAlgorithms,
  type IssuerSettings,
} from '../core/issuer.ts';
import { checkIssuerUrl } from '../core/issuer-url.ts';

const hourSeconds = 3_600;
/** Whoever holds a token commands the hub for so long, should nobody notice. */
const tokenLifeDefaultSeconds = hourSeconds;

const names = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: 128 }), { minItems: 1, maxItems: 8, description });
const url = (description: string) =>
  Type.String({ maxLength: 2_048, description, examples: ['https://login.example'] });

export const CallerIssuerBody = Type.Object(
  {
    url: url('The `iss` of its tokens, byte for byte.'),
    profile: Type.Optional(
      Type.Enum([...issuerProfiles], { description: 'Fills what is left out. Default `rfc9068`.' }),
    ),
    jwks_uri: Type.Optional(url('Left out: found through the metadata of the issuer (RFC 8414).')),
    token_types: Type.Optional(
      names('Accepted `typ`, lower case, without `application/`; `none` admits tokens without `typ`.'),
    ),
    algorithms: Type.Optional(
      Type.Array(Type.Enum([...signatureAlgorithms]), {
        minItems: 1,
        maxItems: signatureAlgorithms.length,
        description: 'JWS algorithms.',
      }),
    ),
    client_claims: Type.Optional(names('Claims that name the client, in order of preference.')),
    subject_claims: Type.Optional(names('Claims that name the subject, in order of preference.')),
    max_token_life: Type.Optional(
      Type.Integer({
        minimum: 30,
        maximum: 24 * hourSeconds,
        description: 'Tokens that live longer are refused, seconds. Default 3600.',
      }),
    ),
    skew: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 60,
        description: 'Most that its clock runs ahead of ours, seconds. Default 5.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'CallerIssuerBody' },
);

export const CallerIssuerReply = Type.Object(
  {
    url: Type.String(),
    profile: Type.String(),
    jwks_uri: Type.Optional(Type.String()),
    token_types: Type.Array(Type.String()),
    algorithms: Type.Array(Type.String()),
    client_claims: Type.Array(Type.String()),
    subject_claims: Type.Array(Type.String()),
    max_token_life: Type.Integer(),
    skew: Type.Integer(),
  },
  { $id: 'CallerIssuer' },
);

export const CallerIssuerList = Type.Object({
  items: Type.Array(CallerIssuerReply),
  next_cursor: Type.Null(),
});

/** @throws Problem `invalid-request` for URLs that no issuer can have (RFC 8414 §2). */
export function toCallerIssuer(body: Static<typeof CallerIssuerBody>): IssuerSettings {
  const profile = body.profile ?? 'rfc9068';
  checkIssuerUrl(body.url, '/url', { noQuery: true });
  if (body.jwks_uri !== undefined) checkIssuerUrl(body.jwks_uri, '/jwks_uri', { noQuery: false });
  const defaults = { ...issuerDefaults, max_token_life: tokenLifeDefaultSeconds };
  return { ...defaults, ...profileDefaults[profile], ...body, profile };
}

export function toCallerIssuerReply(settings: IssuerSettings): Static<typeof CallerIssuerReply> {
  const { session_claims: _, longest_session: __, ...shown } = settings;
  return {
    ...shown,
    token_types: [...shown.token_types],
    algorithms: [...shown.algorithms],
    client_claims: [...shown.client_claims],
    subject_claims: [...shown.subject_claims],
  };
}
