import { expect, it } from 'vitest';
import type { Share } from '../../src/core/revocation.ts';
import { signalId } from '../../src/core/vocabulary.ts';
import { foldMerging, moveForward, reachesFurther, settleShares } from '../../src/pipeline/merge-entries.ts';
import { aRevocation } from '../points/support/write-feed.ts';

const match = { iss: 'https://idp.example', sub: 'alice' };
const first = aRevocation({ match, cutOff: 100, lapsesAt: 900, reason: 'session-revoked' });
const later = aRevocation({ match, cutOff: 200, lapsesAt: 800, reason: 'credential-compromise' });

it('DESIGN §5: a merge keeps the id and takes the later cut-off and the later lapse, in whatever order they come', () => {
  expect(moveForward(first, later)).toMatchObject({
    id: first.id,
    cutOff: 200,
    lapsesAt: 900,
    reason: later.reason,
  });
  expect(moveForward(later, first)).toMatchObject({
    id: later.id,
    cutOff: 200,
    lapsesAt: 900,
    reason: later.reason,
  });
});

it('DESIGN §5: what never lapses never lapses after a merge', () => {
  const { lapsesAt: _, ...forEver } = first;
  expect(moveForward(forEver, later)).not.toHaveProperty('lapsesAt');
  expect(moveForward(later, forEver)).not.toHaveProperty('lapsesAt');
});

it('the share of the one that cuts off earlier is kept, to be told apart when the other is undone', () => {
  const { shares } = moveForward(first, later);
  expect(shares).toEqual([
    {
      signalId: first.signalId,
      reason: first.reason,
      cause: first.cause,
      cutOff: 100,
      lapsesAt: 900,
      settled: false,
    },
  ]);
});

it('what stands need not move when it is later in both', () => {
  expect(reachesFurther(later, first)).toBe(false);
  expect(reachesFurther({ ...later, lapsesAt: 901 }, first)).toBe(true);
  expect(reachesFurther(first, first)).toBe(false);
});

it('entries without a cut-off never merge; those with one do within their source', () => {
  const { cutOff: _, ...disable } = first;
  const twice = foldMerging([disable, aRevocation({ ...disable, id: later.id })]);
  expect(twice.standsFor).toEqual([0, 1]);
  const folded = foldMerging([first, aRevocation({ match }), later]);
  expect(folded.standsFor).toEqual([0, 1, 0]);
  expect(folded.folded[0]?.entry).toMatchObject({ id: first.id, cutOff: 200 });
});

it('of many that were merged the newest are told apart, and those before stay whichever is undone', () => {
  const shares = Array.from(
    { length: 40 },
    (_, n): Share => ({
      cutOff: 100 - n,
      signalId: signalId(`s${n}`),
      reason: 'session-revoked',
      cause: 'session-revoked',
      settled: false,
    }),
  );
  const [furthest, ...rest] = shares;
  expect(settleShares(shares)).toEqual([{ ...furthest, settled: true }, ...rest.slice(8)]);
  expect(settleShares(shares.slice(0, 32))).toEqual(shares.slice(0, 32));
});
