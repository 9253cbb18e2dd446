import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contains, parseIpAddress, parseIpRange } from '../../src/core/ip-address.ts';

const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
  minLength: 8,
  maxLength: 8,
});

/** One of the many ways to write the same address: where zeros are left out, letters, leading zeros, a dotted end. */
const spelling = fc
  .record({
    numbers: groups,
    cut: fc.tuple(fc.nat(8), fc.nat(8)),
    isUpper: fc.boolean(),
    isPadded: fc.boolean(),
    isDotted: fc.boolean(),
  })
  .map(({ numbers, cut, isUpper, isPadded, isDotted }) => {
    const value = numbers.reduce((sum, group) => (sum << 16n) | BigInt(group), 0n);
    const hex = numbers.map((group) => group.toString(16).padStart(isPadded ? 4 : 1, '0'));
    const [from, to] = [Math.min(...cut), Math.max(...cut)];
    const canCut = to > from && numbers.slice(from, to).every((group) => group === 0);
    const end = numbers
      .slice(6)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join('.');
    const written = isDotted && !(canCut && to > 6) ? [...hex.slice(0, 6), end] : hex;
    const text = canCut
      ? `${written.slice(0, from).join(':')}::${written.slice(to).join(':')}`
      : written.join(':');
    return { value, text: isUpper ? text.toUpperCase() : text };
  });

describe('addresses', () => {
  it('RFC 4291 §2.2: every spelling of an IPv6 address is the same number, as the URL parser has it', () => {
    fc.assert(
      fc.property(spelling, ({ value, text }) => {
        expect(parseIpAddress(text)).toEqual({ family: 6, value });
        const { hostname } = new URL(`https://[${text}]/`);
        expect(parseIpAddress(hostname.slice(1, -1))).toEqual({ family: 6, value });
      }),
    );
  });

  it('what Node takes for an address is one, and nothing else is', () => {
    const pieces = fc.constantFrom(
      ':',
      '::',
      '.',
      '0',
      '1',
      '00',
      'ffff',
      '10',
      '255',
      '256',
      '12345',
      'g',
      '',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 16 }), (parts) => {
        const text = parts.join('');
        expect(parseIpAddress(text)?.family ?? 0).toBe(isIP(text));
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['0.0.0.0', 0n],
    ['255.255.255.255', 0xffff_ffffn],
    ['127.0.0.1', 0x7f00_0001n],
  ])('%s is %s', (text, value) => {
    expect(parseIpAddress(text)).toEqual({ family: 4, value });
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '1.2.3.256', ' 1.2.3.4', 'fe80::1%eth0', '[::1]', '::1::'])(
    '%j is no address',
    (text) => expect(parseIpAddress(text)).toBeUndefined(),
  );

  it.each(['10.0.0.1/8', '10.0.0.0/33', '10.0.0.0', '10/8', '::1/127', 'fc00::/129', 'fc00::/-1', '/8'])(
    '%j is no range',
    (text) => expect(parseIpRange(text)).toBeUndefined(),
  );

  it('a range has what begins alike, in its family', () => {
    const [range, all] = [parseIpRange('172.16.0.0/12')!, parseIpRange('::/0')!];
    const has = (text: string) => contains(range, parseIpAddress(text)!);
    expect(['172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0'].map(has)).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(has('::ffff:172.16.0.1')).toBe(false);
    expect(contains(all, parseIpAddress('172.16.0.1')!)).toBe(false);
  });
});
