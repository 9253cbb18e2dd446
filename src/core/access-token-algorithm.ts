/** What access tokens of ours are signed with, and nothing else: small, and known to every library. */
export const accessTokenAlgorithm = 'ES256';
