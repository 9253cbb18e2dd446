import { Type } from 'typebox';
import { checkIssuerUrl } from './issuer-url.ts';
import {
  issuerDefaults,
  issuerProfiles,
  type IssuerSettings,
  profileDefaults,
  signatureAlgorithms,
} from './issuer.ts';

const urlMax = 2_048;
const nameMax = 128;
const namesMax = 8;

const names = (description: string) =>
  Type.Array(Type.String({ minLength: 1, maxLength: nameMax }), {
    minItems: 1,
    maxItems: namesMax,
    description,
  });

/** Claims that name somebody, in order of preference. */
export const claimNames = (what: string) => names(`Claims that name the ${what}, in order of preference.`);

/** What is said of an issuer whose access tokens are read, by points or by the hub itself. */
export const issuerMembers = {
  url: Type.String({
    maxLength: urlMax,
    description: 'The `iss` of its tokens, byte for byte.',
    examples: ['https://login.example'],
  }),
  profile: Type.Optional(
    Type.Enum([...issuerProfiles], { description: 'Fills what is left out. Default `rfc9068`.' }),
  ),
  jwks_uri: Type.Optional(
    Type.String({
      maxLength: urlMax,
      description: 'Left out: found through the metadata of the issuer (RFC 8414).',
    }),
  ),
  token_types: Type.Optional(
    names(
      'Accepted `typ` of access tokens, lower case, without `application/`; `none` admits tokens without `typ`.',
    ),
  ),
  algorithms: Type.Optional(
    Type.Array(Type.Enum([...signatureAlgorithms]), {
      minItems: 1,
      maxItems: signatureAlgorithms.length,
      description: 'JWS algorithms.',
    }),
  ),
  client_claims: Type.Optional(claimNames('client')),
  subject_claims: Type.Optional(claimNames('subject')),
};

export const issuerReplyMembers = {
  url: Type.String(),
  profile: Type.String(),
  jwks_uri: Type.Optional(Type.String()),
  token_types: Type.Array(Type.String()),
  algorithms: Type.Array(Type.String()),
  client_claims: Type.Array(Type.String()),
  subject_claims: Type.Array(Type.String()),
  max_token_life: Type.Integer(),
  skew: Type.Integer(),
};

/**
 * Settings with what was left out filled in: from the profile, else from the defaults.
 *
 * @throws Problem `invalid-request` for URLs that no issuer can have (RFC 8414 §2).
 */
export function toIssuerSettings(
  body: Partial<IssuerSettings> & Pick<IssuerSettings, 'url'>,
  defaults: Pick<IssuerSettings, 'max_token_life'> = issuerDefaults,
): IssuerSettings {
  const profile = body.profile ?? 'rfc9068';
  checkIssuerUrl(body.url, '/url', { noQuery: true });
  if (body.jwks_uri !== undefined) checkIssuerUrl(body.jwks_uri, '/jwks_uri', { noQuery: false });
  return { ...issuerDefaults, ...defaults, ...profileDefaults[profile], ...body, profile };
}

/** With lists of its own, which a reply may hold: those of settings are nobody's to change. */
export const toIssuerReply = (settings: IssuerSettings) => ({
  ...settings,
  token_types: [...settings.token_types],
  algorithms: [...settings.algorithms],
  client_claims: [...settings.client_claims],
  subject_claims: [...settings.subject_claims],
  session_claims: [...settings.session_claims],
});
