import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { anSsfReceiver, type SsfReceiver } from '../../support/an-ssf-receiver.ts';

const status = '/ssf/status';
let hub: Hub;
let receiver: SsfReceiver;
beforeAll(async () => {
  hub = await startHub();
  receiver = await anSsfReceiver(hub);
});
afterAll(() => hub.stop());

describe('SSF 1.0 §8.1.2: the status of a stream', () => {
  it('200: is enabled at first, and what the receiver made it since', async () => {
    const { stream_id } = await receiver.create();
    const read = async () => (await receiver.call('GET', `${status}?stream_id=${stream_id}`)).body;
    expect(await read()).toEqual({ stream_id, status: 'enabled' });
    const paused = { stream_id, status: 'paused', reason: 'Disabled by administrator action.' };
    const answer = await receiver.call('POST', status, paused);
    expect([answer.status, answer.body]).toEqual([200, paused]);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(await read()).toEqual(paused);
    expect((await receiver.call('POST', status, { stream_id, status: 'disabled' })).body).toEqual({
      stream_id,
      status: 'disabled',
    });
    expect((await receiver.call('POST', status, { stream_id, status: 'enabled' })).status).toBe(200);
    expect(await read()).toEqual({ stream_id, status: 'enabled' });
  });

  it('200: once more is the same; its reason is the one that came last', async () => {
    const { stream_id } = await receiver.create();
    const set = async (body: object) => (await receiver.call('POST', status, { stream_id, ...body })).body;
    await set({ status: 'paused', reason: 'one' });
    expect(await set({ status: 'paused', reason: 'two' })).toMatchObject({ reason: 'two' });
    expect(await set({ status: 'paused' })).toEqual({ stream_id, status: 'paused' });
  });

  it('streams are managed independently', async () => {
    const [one, other] = [await receiver.create(), await receiver.create()];
    await receiver.call('POST', status, { stream_id: one.stream_id, status: 'disabled' });
    const answer = await receiver.call('GET', `${status}?stream_id=${other.stream_id}`);
    expect(answer.body).toMatchObject({ status: 'enabled' });
  });
});
