import { describe, expect, it } from 'vitest';
import { packedSnapshotType } from '../../../src/core/feed.ts';
import { readPackedBody } from '../../../src/enforcement/packed-body.ts';
import { aPoint, aServer, denies, killOf, untilTrue } from './harness.ts';

const isSnapshot = ({ path }: { readonly path: string }) => path === '/v1/feed/snapshot';

describe('ADR 17: a point asks for a packed snapshot', () => {
  it.each([true, false])('and takes what the hub has; packed: %s', async (packs) => {
    const server = await aServer();
    server.packs = packs;
    for (let number = 1; number <= 300; number += 1) server.put(killOf(number));
    const point = aPoint(server);
    await point.client.ready();
    expect(point.cache.size).toBe(300);
    expect(point.cache.digest()).toBe(server.digest);
    expect(denies(point, 300)).toBe(true);
    expect(server.requests.find(isSnapshot)?.accept).toBe(
      `${packedSnapshotType}, application/x-ndjson;q=0.5`,
    );
    expect(point.troubles).toEqual([]);
  });

  it('rows that make no sense are said, change nothing that is in force, and lines are taken instead', async () => {
    const server = await aServer();
    server.put(killOf(1));
    const point = aPoint(server);
    await point.client.ready();
    server.rowsLie = (rows) => Buffer.from(rows).fill(0x7f, 4, 8);
    server.put(killOf(2));
    server.forgetTail();
    let opened = () => {};
    server.gate = new Promise((resolve) => (opened = resolve));
    server.dropStreams();
    await untilTrue(() => server.requests.filter(isSnapshot).length === 2);
    expect(denies(point, 1)).toBe(true);
    opened();
    await untilTrue(() => point.replaced === 2);
    expect(point.troubles.map(({ code }) => code)).toContain('bad-snapshot');
    expect(
      server.requests.filter(isSnapshot).map(({ accept }) => accept.includes(packedSnapshotType)),
    ).toEqual([true, true, false]);
    expect([denies(point, 1), denies(point, 2)]).toEqual([true, true]);
    expect(point.cache.digest()).toBe(server.digest);
  });
});

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const aRow = (text: string): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(text.length);
  return Buffer.concat([head, Buffer.from(text)]);
};
const whole = Buffer.concat([
  Buffer.from('first ü\n'),
  ...['a', 'bcd', 'x'.repeat(300)].map(aRow),
  aRow(''),
  Buffer.from('last\n'),
]);

async function partsOf(source: AsyncIterable<Buffer>): Promise<string[]> {
  const body = readPackedBody(source);
  const parts = [await body.line()];
  await body.rows(({ bytes, at, end }) => parts.push(bytes.buffer.toString('latin1', at + 4, end)));
  parts.push(await body.line());
  await body.end();
  return parts;
}

describe('ADR 17: the body of a packed snapshot', () => {
  it.each([1, 2, 3, 5, 7, 64, 4_096])('is the same in pieces of %i bytes', async (size) => {
    expect(await partsOf(inPieces(whole, size))).toEqual(['first ü', 'a', 'bcd', 'x'.repeat(300), 'last']);
  });

  it('is refused when it is cut anywhere, or goes on', async () => {
    for (let length = 0; length < whole.length; length += 1)
      await expect(partsOf(inPieces(whole.subarray(0, length), 50))).rejects.toThrow('cut off');
    await expect(partsOf(inPieces(Buffer.concat([whole, Buffer.from('x')]), 50))).rejects.toThrow('follows');
    await expect(partsOf(inPieces(Buffer.concat([whole, Buffer.from('x')]), whole.length))).rejects.toThrow(
      'follows',
    );
  });

  it('ends at a row or a line that is too long, before it is all there', async () => {
    const head = Buffer.from('first\n\x00\x10\x00\x01');
    let asked = 0;
    async function* endless(first: Buffer, next: Buffer) {
      yield first;
      for (;;) {
        asked += 1;
        yield next;
      }
    }
    await expect(partsOf(endless(head, Buffer.alloc(65_536)))).rejects.toThrow('too long');
    expect(asked).toBe(0);
    await expect(partsOf(endless(Buffer.from('x'), Buffer.alloc(1_048_576, 'x')))).rejects.toThrow(
      'too long',
    );
    expect(asked).toBeLessThan(20);
  });
});
