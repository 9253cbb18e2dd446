import { describe, expect, it } from 'vitest';
import { sourceDefaults } from '../../../src/core/source.ts';
import { sourceId, tokenId } from '../../../src/core/vocabulary.ts';
import { reason, refusalFor, type RefusalCode } from '../../../src/enforcement/refusal.ts';
import type { AccessTokens, CheckedToken } from '../../../src/http/access-token.ts';
import type { FindCaller } from '../../../src/http/authenticate.ts';
import { aServer } from './a-server.ts';

const jwt = 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl';
const caller = {
  tokenId: tokenId('tok_1'),
  actor: 'soc',
  scopes: new Set(['signals.read'] as const),
  source: { ...sourceDefaults, id: sourceId('soc') },
};
const refusal = (code: RefusalCode) =>
  refusalFor(reason(code), { settings: { schemes: ['DPoP', 'Bearer'], algorithms: ['ES256'] } });

function aGuardedServer(checked: CheckedToken, findCaller: FindCaller) {
  const accessTokens: AccessTokens = {
    check: async () => checked,
    resourceMetadataUrl: () => 'https://hub.example/.well-known/oauth-protected-resource',
  };
  const made = aServer({ accessTokens, findCaller });
  made.app.get(
    '/v1/signals',
    { config: { scopes: ['signals.read'] } },
    async ({ caller: { actor } }) => actor,
  );
  return made;
}

const ask = (made: ReturnType<typeof aServer>, authorization: string) =>
  made.app.inject({ url: '/v1/signals', headers: { authorization } });

describe('what looks like an access token and is none of ours', () => {
  const stranger: CheckedToken = { kind: 'stranger', refusal: refusal('unknown-issuer') };
  const knowsAll: FindCaller = async () => ({ kind: 'known', caller });

  it('may be an API token: ADMIN_TOKEN can be any text', async () => {
    const answer = await ask(aGuardedServer(stranger, knowsAll), `Bearer ${jwt}`);
    expect([answer.statusCode, answer.body]).toEqual([200, 'soc']);
  });

  it('but not with the scheme DPoP, whose tokens are bound to a key', async () => {
    const made = aGuardedServer(stranger, knowsAll);
    for (const token of [jwt, 'chub_reader']) {
      const answer = await ask(made, `DPoP ${token}`);
      expect([answer.statusCode, answer.json()]).toMatchObject([401, { reason: 'unknown-issuer' }]);
    }
  });
});

describe('a refused access token', () => {
  it.each([
    ['revoked', 401, 'unauthenticated'],
    ['ambiguous-credentials', 400, 'invalid-request'],
    ['restricted', 403, 'insufficient-scope'],
    ['rate-limited', 429, 'rate-limited'],
    ['replay-memory-full', 429, 'rate-limited'],
  ] as const)(
    '%s is a problem with the challenge of the check, noted by name, and no API token',
    async (code, status, problem) => {
      const checked: CheckedToken = { kind: 'refused', refusal: refusal(code), actor: 'client:soc' };
      const made = aGuardedServer(checked, async () => ({ kind: 'known', caller }));
      const answer = await ask(made, `Bearer ${jwt}`);
      expect([answer.statusCode, answer.json()]).toMatchObject([status, { code: problem, reason: code }]);
      const challenge = checked.refusal.headers['www-authenticate'];
      expect(answer.headers['www-authenticate']).toBe(challenge);
      expect(made.refused).toEqual([{ who: 'client:soc', reason: code }]);
    },
  );
});
