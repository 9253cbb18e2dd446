import { expect, it } from 'vitest';
import { pointName } from '../../src/core/vocabulary.ts';
import { createFedLeases } from '../../src/points/fed-leases.ts';
import type { Instance } from '../../src/points/ports.ts';
import { aDeclaration } from './support/a-receipt.ts';

const one = { point: pointName('edge'), instance: 'one' };
const anInstance = (fedUntilMs?: number): Instance => ({
  ...one,
  declared: aDeclaration(),
  reported: { stale_ms: 0 },
  firstSeenMs: 0,
  lastSeenMs: 0,
  ...(fedUntilMs !== undefined && { fedUntilMs }),
});

it('a lease is written when it is half over, and not with every heartbeat', () => {
  let now = 0;
  const leases = createFedLeases(() => now);
  expect(leases.renew(one)).toEqual({ ...one, fedUntilMs: 10_000 });
  now = 4_999;
  expect(leases.renew(one)).toBeUndefined();
  now = 5_000;
  expect(leases.renew(one)).toEqual({ ...one, fedUntilMs: 15_000 });
});

it('what the table has not heard of the end of a stream brings the stream not back', () => {
  let now = 0;
  const leases = createFedLeases(() => now);
  leases.renew(one);
  now = 1_000;
  const ended = leases.end(one);
  expect(ended.fedUntilMs).toBe(1_000);
  expect(leases.believe(anInstance(10_000), anInstance(1_000))).toBe(1_000);
  expect(leases.believe(anInstance(1_000), anInstance(1_000))).toBe(1_000);
});

it('a stream at another node is believed at once', () => {
  const leases = createFedLeases(() => 0);
  leases.renew(one);
  leases.end(one);
  expect(leases.believe(anInstance(10_700), anInstance(0))).toBe(10_700);
});

it('a lease that nobody renews runs out, and the table tells again', () => {
  let now = 0;
  const leases = createFedLeases(() => now);
  leases.renew(one);
  expect(leases.believe(anInstance(99_000), undefined)).toBe(10_000);
  now = 10_000;
  expect(leases.believe(anInstance(99_000), undefined)).toBe(99_000);
});
