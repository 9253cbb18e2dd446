import { describe, expect, it } from 'vitest';
import { addressRanges, classifyAddress } from '../../src/core/address-ranges.ts';
import { parseIpAddress, parseIpRange } from '../../src/core/ip-address.ts';
import { judgeUrl, refuseAddress, refuseEndpoint, urlLengthMax } from '../../src/core/judge-destination.ts';
import { type AllowEntry, parseOutboundAllow } from '../../src/core/outbound-allow.ts';

const kindOf = (text: string) => classifyAddress(parseIpAddress(text)!).kind;
const allowing = (text: string): readonly AllowEntry[] =>
  parseOutboundAllow(text).filter((entry) => entry !== undefined);

describe('SEC-08: what an address is for', () => {
  it.each([
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['10.255.255.255', 'private'],
    ['100.63.255.255', 'global'],
    ['100.64.0.0', 'shared'],
    ['100.100.100.200', 'shared'],
    ['100.127.255.255', 'shared'],
    ['100.128.0.0', 'global'],
    ['127.255.255.254', 'loopback'],
    ['168.63.129.16', 'platform'],
    ['169.254.169.254', 'link-local'],
    ['172.31.0.1', 'private'],
    ['192.0.0.192', 'protocol'],
    ['192.0.2.1', 'documentation'],
    ['192.88.99.1', '6to4'],
    ['192.168.0.1', 'private'],
    ['198.19.255.255', 'benchmarking'],
    ['198.51.100.1', 'documentation'],
    ['203.0.113.1', 'documentation'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.1', 'reserved'],
    ['255.255.255.255', 'reserved'],
    ['1.1.1.1', 'global'],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['::127.0.0.1', 'ipv4-compatible'],
    ['::8.8.8.8', 'ipv4-compatible'],
    ['::ffff:127.0.0.1', 'ipv4-mapped'],
    ['::ffff:8.8.8.8', 'ipv4-mapped'],
    ['::ffff:0:8.8.8.8', 'reserved'],
    ['100::1', 'reserved'],
    ['2001::1', 'teredo'],
    ['2001:2::1', 'benchmarking'],
    ['2001:10::1', 'protocol'],
    ['2001:db8::1', 'documentation'],
    ['2002:7f00:1::', '6to4'],
    ['3fff:fff::1', 'documentation'],
    ['4000::1', 'reserved'],
    ['fc00::1', 'unique-local'],
    ['fd00:ec2::254', 'unique-local'],
    ['fe80::1', 'link-local'],
    ['febf::1', 'link-local'],
    ['fec0::1', 'private'],
    ['ff02::1', 'multicast'],
    ['2606:4700::1111', 'global'],
    ['2a00:1450::1', 'global'],
  ])('%s is %s', (text, kind) => expect(kindOf(text)).toBe(kind));

  it.each([
    ['64:ff9b::8.8.8.8', 'global', 'RFC 791'],
    ['64:ff9b::127.0.0.1', 'nat64', 'RFC 6052 §2.1, RFC 1122 §3.2.1.3'],
    ['64:ff9b::10.0.0.1', 'nat64', 'RFC 6052 §2.1, RFC 1918'],
    ['64:ff9b::169.254.169.254', 'nat64', 'RFC 6052 §2.1, RFC 3927'],
    ['64:ff9b::', 'nat64', 'RFC 6052 §2.1'],
    ['64:ff9b:1::8.8.8.8', 'global', 'RFC 791'],
    ['64:ff9b:1::127.0.0.1', 'nat64', 'RFC 8215, RFC 1122 §3.2.1.3'],
    // RFC 6052 §2.2 with prefixes of 48, 56 and 64 bits.
    ['64:ff9b:1:808:8:800::', 'global', 'RFC 791'],
    ['64:ff9b:1:a00:0:100::', 'nat64', 'RFC 8215, RFC 1918'],
    ['64:ff9b:1:7f:0:1::', 'nat64', 'RFC 8215, RFC 1122 §3.2.1.3'],
    ['64:ff9b:1:0:a9:fea9:fe00:0', 'nat64', 'RFC 8215, RFC 3927'],
    ['64:ff9b:1:7f00:0:100:808:808', 'nat64', 'RFC 8215, RFC 1122 §3.2.1.3'],
    ['64:ff9b:1::', 'nat64', 'RFC 8215'],
  ])('RFC 6052: %s is judged by the IPv4 address in it: %s', (text, kind, section) => {
    expect(classifyAddress(parseIpAddress(text)!)).toEqual({ kind, section });
  });

  const isOrdinary = ({ kind, range }: { kind: string; range: string }) =>
    kind !== 'nat64' && range !== '0.0.0.0/0' && range !== '::/0';
  it.each(addressRanges.filter(isOrdinary))('the last address of $range is $kind', ({ range, kind }) => {
    const { first, prefixLength } = parseIpRange(range)!;
    const spareBits = BigInt((first.family === 4 ? 32 : 128) - prefixLength);
    const last = { ...first, value: first.value + 2n ** spareBits - 1n };
    expect(classifyAddress(last).kind).toBe(kind);
  });
});

describe('SEC-08: what is said of an endpoint before any connection', () => {
  it.each([
    ['http://receiver.example/push', 'must begin with https://'],
    ['http://127.0.0.1/push', 'must begin with https://'],
    ['ftp://receiver.example', 'must begin with https://'],
    ['file:///etc/passwd', 'must begin with https://'],
    ['javascript:alert(1)', 'must begin with https://'],
    ['/push', 'must be a URL'],
    ['https://', 'must be a URL'],
    ['https://1.2.3.4.5/', 'must be a URL'],
    ['https://[fe80::1%25eth0]/', 'must be a URL'],
    ['https://user@receiver.example', 'must not name a user or a password'],
    ['https://:secret@receiver.example', 'must not name a user or a password'],
    [`https://receiver.example/${'x'.repeat(urlLengthMax)}`, 'must have at most 2048 characters'],
    ['https://127.0.0.1', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://127.0.0.1.', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://2130706433', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://0x7f.1', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://0177.0.0.01', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://①②⑦.0.0.1', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://10.1', 'leads to 10.0.0.1, which is a private address (RFC 1918)'],
    ['https://[::1]:8443', 'leads to ::1, which is this machine (RFC 4291 §2.5.3)'],
    [
      'https://[::ffff:8.8.8.8]',
      'leads to ::ffff:808:808, which is an IPv4 address in disguise (RFC 4291 §2.5.5.2)',
    ],
    ['https://localhost', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://LOCALHOST./', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
    ['https://a.localhost/', 'leads to 127.0.0.1, which is this machine (RFC 1122 §3.2.1.3)'],
  ])('%s %s', (url, reason) => expect(refuseEndpoint(url, [])).toBe(reason));

  it.each(['https://receiver.example/push?x=1', 'https://8.8.8.8', 'https://[2606:4700::1]:8443/'])(
    '%s may be reached',
    (url) => expect(refuseEndpoint(url, [])).toBeUndefined(),
  );

  it('names without a look-up say nothing yet: they are judged by where they lead', () => {
    const judged = judgeUrl('https://Internal.Example.:8443/push', []);
    if (judged.kind !== 'fine') throw new Error('it was refused');
    expect(judged.destination).toMatchObject({ hostname: 'internal.example', port: 8443, isTls: true });
    expect(refuseAddress('10.0.0.1', judged.destination, [])).toContain('a private address');
    expect(refuseAddress('8.8.8.8', judged.destination, [])).toBeUndefined();
    expect(refuseAddress('fe80::1%eth0', judged.destination, [])).toBe(
      'leads to no address that can be checked',
    );
  });
});

describe('OUTBOUND_ALLOW', () => {
  it.each([
    ['10.1.2.3', 'https://10.1.2.3:8443', true],
    ['10.1.2.3:8443', 'https://10.1.2.3:8443', true],
    ['10.1.2.3:8443', 'https://10.1.2.3', false],
    ['10.1.2.3:443', 'https://10.1.2.3', true],
    ['10.0.0.0/8', 'https://10.200.0.1', true],
    ['10.0.0.0/8', 'https://11.0.0.1', true], // public anyway
    ['10.0.0.0/8', 'https://192.168.0.1', false],
    ['10.0.0.0/8', 'https://[::ffff:10.0.0.1]', false],
    ['fd00::/8, 127.0.0.1', 'https://[fd12::1]', true],
    ['[::1]:8443', 'https://[::1]:8443', true],
    ['::1', 'https://[0:0::1]', true],
    ['169.254.169.254', 'https://169.254.169.254', true],
    ['127.0.0.1:80', 'http://127.0.0.1', true],
    ['127.0.0.0/8', 'http://127.0.0.2:8080', true],
    ['0x7f.1', 'http://127.0.0.1', true],
    ['localhost:8080', 'http://localhost:8080', true],
    ['LOCALHOST', 'https://localhost', true],
    ['localhost:8080', 'http://localhost', false],
    ['127.0.0.0/8', 'http://localhost', false],
    ['127.0.0.0/8', 'https://localhost', true],
    ['10.0.0.0/8', 'http://10.0.0.1', false],
    ['receiver.internal', 'http://receiver.internal', false],
  ])('%s lets %s be reached: %s', (allow, url, isFine) => {
    expect(refuseEndpoint(url, allowing(allow)) === undefined).toBe(isFine);
  });

  it.each([
    ['10.0.0.1', true],
    ['fd00::1', true],
    ['100.64.0.1', true],
    ['127.0.0.1', true],
    ['169.254.169.254', false],
    ['168.63.129.16', false],
    ['::ffff:10.0.0.1', false],
    ['224.0.0.1', false],
    ['0.0.0.0', false],
  ])('a name opens %s: %s', (address, isOpen) => {
    const allow = allowing('bücher.internal:8443');
    const judged = judgeUrl('https://xn--bcher-kva.internal:8443', allow);
    if (judged.kind !== 'fine') throw new Error('it was refused');
    expect(refuseAddress(address, judged.destination, allow) === undefined).toBe(isOpen);
    expect(refuseAddress(address, { ...judged.destination, port: 443 }, allow)).toBeDefined();
    expect(refuseAddress(address, { ...judged.destination, hostname: 'a.internal' }, allow)).toBeDefined();
  });

  it('plain http goes to this machine, whatever its name leads to', () => {
    const allow = allowing('localhost, 10.0.0.0/8');
    const judged = judgeUrl('http://localhost', allow);
    if (judged.kind !== 'fine') throw new Error('it was refused');
    expect(refuseAddress('::1', judged.destination, allow)).toBeUndefined();
    for (const address of ['10.0.0.1', '8.8.8.8', '64:ff9b::127.0.0.1']) {
      expect(refuseAddress(address, judged.destination, allow)).toContain('for this machine only');
    }
  });

  it.each([
    '',
    ' ',
    'https://a.example',
    'a b',
    'user@a.example',
    '*.example',
    'a.example:0',
    'a.example:65536',
    'a.example/8',
    '10.0.0.1/8',
    '[10.0.0.1]',
    'a:b',
    '[::1',
  ])('%j is no entry', (text) => {
    expect(parseOutboundAllow(text)).toEqual([undefined]);
  });
});
