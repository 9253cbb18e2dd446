import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AProxy, startProxy } from './support/a-proxy.ts';
import { type AnAudit, startAudit } from './support/an-audit.ts';
import { asCaller, type Running, startCli } from './support/run-cli.ts';

let audit: AnAudit;
let proxy: AProxy;
let follow: Running;
beforeEach(async () => {
  audit = await startAudit();
  proxy = await startProxy(audit.url);
});
afterEach(async () => {
  follow.interrupt();
  await follow.ended;
  await proxy.close();
  await audit.close();
});

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
/** Follows, and has taken its first look. */
async function started(): Promise<void> {
  follow = startCli(['audit', 'follow', '--json'], asCaller({ url: proxy.url, adminToken: 'chub_x' }));
  await looked();
}
/** Resolves when the next look has been answered. */
async function looked(): Promise<void> {
  const before = audit.pages();
  while (audit.pages() === before) await new Promise(setImmediate);
}
const idsOf = (stdout: string): readonly number[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { readonly id: number }).id);

describe('caep-hub audit follow', () => {
  it('tells rows that came after it began, oldest first, each once', async () => {
    audit.commit(...range(1, 120));
    await started();
    audit.commit(...range(121, 240));
    await follow.until('row-240');
    await looked();
    follow.interrupt();
    const { exitCode, stdout, stderr } = await follow.ended;
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(idsOf(stdout)).toEqual(range(121, 240));
  });

  it('tells a row that is committed after many with higher ids', async () => {
    audit.commit(...range(1, 120));
    await started();
    audit.commit(...range(122, 240));
    await follow.until('row-240');
    audit.commit(121);
    await follow.until('row-121');
    follow.interrupt();
    expect(idsOf((await follow.ended).stdout)).toEqual([...range(122, 240), 121]);
  });

  it('goes on after answers that do not come, without a gap', async () => {
    audit.commit(1);
    await started();
    proxy.answerInstead(/^GET/, { status: 503, body: '{"code":"storage-unavailable"}' }, 2);
    audit.commit(2);
    await follow.until('row-2');
    proxy.cut('refuse');
    audit.commit(3);
    proxy.mend();
    await follow.until('row-3');
    follow.interrupt();
    const { exitCode, stdout, stderr } = await follow.ended;
    expect(exitCode).toBe(0);
    expect(idsOf(stdout)).toEqual([2, 3]);
    expect(stderr).toContain('Looking for the audit again');
  });

  it('says that rows were left out when more came at once than it reads, and where they are', async () => {
    audit.commit(1);
    await started();
    audit.commit(...range(2, 1_301));
    await follow.until('row-1301');
    await looked();
    follow.interrupt();
    const { stdout, stderr } = await follow.ended;
    expect(idsOf(stdout)).toEqual(range(302, 1_301));
    expect(stderr).toContain('More than 1000 came at once');
    expect(stderr).toContain('caep-hub audit list');
  });

  it('asks for one page where nothing is new', async () => {
    audit.commit(...range(1, 120));
    await started();
    const before = audit.pages();
    await looked();
    await looked();
    expect(audit.pages() - before).toBe(2);
  });
});
