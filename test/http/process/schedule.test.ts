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
  const [{ id }] = ordered.body['revocations'] as [{ id: string }];
  const state = async () => (await hub.call('GET', `/v1/revocations/${id}`)).body['state'];
  await expect.poll(state, { timeout: 15_000 }).toBe('lifted');
  await expect.poll(() => check(1), { timeout: 5_000 }).toBe('deny');
  expect(await check(future)).toBe('allow');
  const { body } = await hub.call('GET', '/v1/audit?action=revocation.lifted');
  expect(body['items']).toMatchObject([{ actor: 'hub' }]);
});
