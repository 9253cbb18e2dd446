import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admits, createSubjectList } from '../../../src/core/subject-matching.ts';
import { type Hub, startHub } from '../../support/a-hub.ts';
import { anSsfReceiver, type SsfReceiver } from '../../support/an-ssf-receiver.ts';

const tenant = { format: 'opaque', id: 'example-a38h4792-uw2' };
const user = { format: 'email', email: 'jdoe@example.com' };
const complex = (parts: object) => ({ format: 'complex', ...parts });

describe('SSF 1.0 §8.1.3.1: subject matching, by its own examples', () => {
  it.each([
    ['less restrictive', complex({ tenant }), complex({ tenant, user }), true],
    [
      'more restrictive',
      complex({ user, device: { format: 'ip-addresses', 'ip-addresses': ['10.29.37.75'] } }),
      complex({ user }),
      true,
    ],
    [
      'another group',
      complex({ user, group: { format: 'did', url: 'did:example:123456' } }),
      complex({ user, group: { format: 'did', url: 'did:example:9999999' } }),
      false,
    ],
  ])('%s', (_name, added, event, expected) => {
    for (const [listed, about] of [
      [added, event],
      [event, added],
    ] as const) {
      const subjects = createSubjectList();
      subjects.put(listed, 'added');
      expect(admits({ defaultSubjects: 'NONE', subjects }, about)).toBe(expected);
    }
  });
});

describe('SSF 1.0 §8.1.3.2, §8.1.3.3: adding and removing', () => {
  let hub: Hub;
  let receiver: SsfReceiver;
  let stream_id: string;
  beforeAll(async () => {
    hub = await startHub();
    receiver = await anSsfReceiver(hub);
    ({ stream_id } = await receiver.create());
  });
  afterAll(() => hub.stop());
  const example = { format: 'email', email: 'example.user@example.com' };
  const phone = { format: 'phone', phone_number: '+12065550123' };
  const call = (verb: 'add' | 'remove', body: object) => receiver.call('POST', `/ssf/subjects/${verb}`, body);

  it('200, empty: the example; and again', async () => {
    for (const verified of [true, false, undefined]) {
      const answer = await call('add', {
        stream_id,
        subject: example,
        ...(verified !== undefined && { verified }),
      });
      expect([answer.status, answer.text]).toEqual([200, '']);
      expect(answer.headers.get('cache-control')).toBe('no-store');
    }
  });

  it('204: the example; and again, and of somebody who was never added', async () => {
    for (const subject of [phone, phone, complex({ tenant, user })]) {
      const answer = await call('remove', { stream_id, subject });
      expect([answer.status, answer.text]).toEqual([204, '']);
    }
  });

  it('§8.1.4.1, §8.1.5: the stream itself is always on it', async () => {
    const subject = { format: 'opaque', id: stream_id };
    expect((await call('add', { stream_id, subject })).status).toBe(200);
    const answer = await call('remove', { stream_id, subject });
    expect([answer.status, answer.body['code']]).toEqual([400, 'invalid-request']);
    const other = await receiver.create();
    expect((await call('remove', { stream_id: other.stream_id, subject })).status).toBe(204);
  });

  it('400: a subject of more bytes than one may have', async () => {
    const answer = await call('add', { stream_id, subject: { ...example, note: '日'.repeat(1_400) } });
    expect([answer.status, answer.body['errors']]).toEqual([
      400,
      [{ path: '/subject', message: 'has more than 4096 bytes' }],
    ]);
  });

  it('§9.1: nobody learns who is known', async () => {
    const answers = await Promise.all(
      ['known', 'unknown'].map((name) =>
        call('add', { stream_id, subject: { format: 'email', email: `${name}@example.com` } }),
      ),
    );
    expect(answers.map(({ status, text }) => [status, text])).toEqual([
      [200, ''],
      [200, ''],
    ]);
  });
});
