import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHub, type Hub } from '../../support/a-hub.ts';

let hub: Hub;
beforeAll(async () => {
  hub = await startHub();
});
afterAll(() => hub.stop());

const match = { iss: 'https://idp.example', client_id: 'build-runner' };
const check = async (iat: number) =>
  (await hub.call('POST', '/v1/check', { body: { ...match, iat } })).body['effect'];

it('DESIGN §5: a timed disable is lifted by the hub, and leaves a cut-off behind', async () => {
  const future = Math.floor(Date.now() / 1_000) + 3_600;
  const ordered = await hub.call('POST', '/v1/revocations', { body: { match, lift_after_seconds: 1 } });
  expect(ordered.status).toBe(202);
  expect(await check(future)).toBe('deny');
  await expect.poll(() => check(future), { timeout: 15_000 }).toBe('allow');
  expect(await check(1)).toBe('deny');
  const { body } = await hub.call('GET', '/v1/audit?action=revocation.lifted');
  expect(body['items']).toMatchObject([{ actor: 'hub' }]);
});
