import { accessTokenAlgorithm } from '../core/access-token-algorithm.ts';
import { type IssuerSettings, issuerDefaults, profileDefaults } from '../core/issuer.ts';
import { authorizationServerOf } from './metadata.ts';

export const accessTokenLifeSeconds = 600;

/** How access tokens of the built-in authorization server are verified: as those of any issuer, only stricter. */
export const accessTokenSettings = (issuer: string): IssuerSettings => ({
  ...issuerDefaults,
  ...profileDefaults.rfc9068,
  profile: 'rfc9068',
  url: authorizationServerOf(issuer),
  algorithms: [accessTokenAlgorithm],
  max_token_life: accessTokenLifeSeconds,
});
