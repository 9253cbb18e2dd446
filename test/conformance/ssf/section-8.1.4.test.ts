import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { anSsfReceiver, type SsfReceiver } from '../../support/an-ssf-receiver.ts';

let hub: Hub;
let receiver: SsfReceiver;
beforeAll(async () => {
  hub = await startHub();
  receiver = await anSsfReceiver(hub);
});
afterAll(() => hub.stop());
const verify = (body: object) => receiver.call('POST', '/ssf/verify', body);

it('SSF 1.0 §8.1.4.2: 204, empty; then 429 until its interval is over, each stream for itself', async () => {
  const { stream_id, min_verification_interval: interval } = await receiver.create();
  const state = 'VGhpcyBpcyBhbiBleGFtcGxlIHN0YXRlIHZhbHVlLgo=';
  const answer = await verify({ stream_id, state });
  expect([answer.status, answer.text]).toEqual([204, '']);
  const again = await verify({ stream_id });
  expect([again.status, again.body['code']]).toEqual([429, 'rate-limited']);
  const seconds = Number(again.headers.get('retry-after'));
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThanOrEqual(Number(interval));
  const { stream_id: fresh } = await receiver.create();
  expect((await verify({ stream_id: fresh })).status).toBe(204);
});

it.each(['paused', 'disabled'])('§8.1.2.1: 400: nothing is sent over a stream that is %s', async (status) => {
  const { stream_id } = await receiver.create();
  await receiver.call('POST', '/ssf/status', { stream_id, status });
  const answer = await verify({ stream_id });
  expect([answer.status, answer.body['code']]).toEqual([400, 'stream-not-enabled']);
  expect(answer.body['hint']).toContain('/ssf/status');
});

it('400: a state of more than 1 KiB', async () => {
  const { stream_id } = await receiver.create();
  expect((await verify({ stream_id, state: '€'.repeat(342) })).body).toMatchObject({
    status: 400,
    errors: [{ path: '/state' }],
  });
  expect((await verify({ stream_id, state: 'x'.repeat(1_024) })).status).toBe(204);
});
