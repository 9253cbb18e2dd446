import { expect, it } from 'vitest';
import { thumbprintOf } from '../../../src/enforcement/dpop.ts';
import { publicMembers } from '../../../src/enforcement/token-signatures.ts';

const thumbprint = (jwk: object) => {
  const members = publicMembers(jwk as { readonly [member: string]: unknown });
  return members && thumbprintOf(members);
};

it('RFC 7638 §3.1: the thumbprint of the example', () => {
  const jwk = {
    kty: 'RSA',
    n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
    e: 'AQAB',
    alg: 'RS256',
    kid: '2011-04-29',
  };
  expect(thumbprint(jwk)).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
});

it('RFC 8037 §A.3: the thumbprint of an Ed25519 key', () => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
  expect(thumbprint(jwk)).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
});

it('RFC 7638 §3.2: members that are not required make no difference', () => {
  const key = { y: 'AQ', x: 'Ag', crv: 'P-256', kty: 'EC' };
  expect(thumbprint({ ...key, use: 'sig', kid: 'x' })).toBe(thumbprint(key));
});
