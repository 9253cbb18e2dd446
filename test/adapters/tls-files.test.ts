import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readTlsFiles, type TlsCertificate } from '../../src/adapters/system/tls-files.ts';
import { createTlsRenewal } from '../../src/adapters/system/tls-renewal.ts';
import type { TlsPair } from '../../src/http/tls.ts';
import type { Problem } from '../../src/core/problem.ts';
import { anAuthority, type ServerCertificate } from '../support/certificates.ts';

const directory = mkdtempSync(join(tmpdir(), 'caep-hub-tls-'));
afterAll(() => rmSync(directory, { recursive: true }));
const files = { certFile: join(directory, 'tls.crt'), keyFile: join(directory, 'tls.key') };
const authority = anAuthority();
const dayMs = 86_400_000;
const year = 365;
const issue = (days = year, more = {}) => authority.issue(['hub.example'], days, more);

function put({ cert, key }: Partial<ServerCertificate>): void {
  if (cert !== undefined) writeFileSync(files.certFile, cert);
  if (key !== undefined) writeFileSync(files.keyFile, key);
}

describe('TLS_CERT_FILE and TLS_KEY_FILE', () => {
  it('hold a pair; the chain goes with it, and words beside it do not', async () => {
    const { cert, key } = issue();
    put({ cert: `# ours\n${cert}\n# theirs\n${authority.pem}`, key });
    const pair = await readTlsFiles(files, Date.now());
    expect(pair).toMatchObject({ cert: cert + authority.pem, key });
    expect(pair.endsAtMs - pair.beginsAtMs).toBe((30 + year) * dayMs);
  });

  const good = issue();
  const encrypted = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'hunter2' },
  }).privateKey;
  it.each<[string, Partial<ServerCertificate>, RegExp]>([
    ['no certificate', { cert: good.key }, /^TLS_CERT_FILE \(.*tls\.crt\) holds no certificate in PEM\.$/],
    [
      'a certificate that is none',
      { cert: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----' },
      /^TLS_CERT_FILE .* holds a certificate that cannot be read\.$/,
    ],
    ['no key', { key: good.cert }, /^TLS_KEY_FILE \(.*tls\.key\) holds no private key in PEM\.$/],
    ['a key under a passphrase', { key: encrypted }, /^TLS_KEY_FILE .* is encrypted\.$/],
    [
      'the key of another',
      { key: issue().key },
      /^TLS_KEY_FILE .* is not the key of the first certificate in/,
    ],
    [
      'the chain before the certificate',
      { cert: authority.pem + good.cert },
      /^TLS_KEY_FILE .* is not the key of the first certificate in/,
    ],
    ['a certificate that has ended', issue(-1), /^TLS_CERT_FILE .* ended at \d{4}-/],
    ['one that is yet to begin', issue(9, { from: 2 }), /^TLS_CERT_FILE .* is not valid before \d{4}-/],
    [
      'a key that is too small',
      issue(9, { rsaBits: 512 }),
      /^TLS_CERT_FILE .* cannot be served with: .*small/,
    ],
    ['a file that is too large', { key: 'x'.repeat(1_048_577) }, /^TLS_KEY_FILE .* is larger than/],
  ])('%s is refused', async (_what, part, message) => {
    put({ ...good, ...part });
    const refused: Problem = await readTlsFiles(files, Date.now()).then(
      () => Promise.reject(new Error('it was taken')),
      (error: unknown) => error as Problem,
    );
    expect(refused).toMatchObject({ code: 'invalid-configuration', message: expect.stringMatching(message) });
    expect(refused.hint).toMatch(/\.$/);
    expect(refused.message + String(refused.hint)).not.toContain('PRIVATE');
  });

  it('a file that is not there is refused', async () => {
    const missing = { ...files, keyFile: join(directory, 'none.key') };
    await expect(readTlsFiles(missing, Date.now())).rejects.toThrow(
      /^TLS_KEY_FILE \(.*none\.key\) cannot be read\.$/,
    );
  });
});

describe('a pair that changes in its files', () => {
  async function following(first: ServerCertificate) {
    put(first);
    const clock = { nowMs: Date.now() };
    const used: TlsPair[] = [];
    const told: (TlsCertificate | Problem)[] = [];
    const renewal = createTlsRenewal({
      files,
      first: await readTlsFiles(files, clock.nowMs),
      use: (pair) => used.push(pair),
      nowMs: () => clock.nowMs,
      onRenewed: (certificate) => told.push(certificate),
      onRefused: (problem) => told.push(problem),
    });
    return { renewal, used, told, clock };
  }

  it('is served with once, and only when it has changed', async () => {
    const { renewal, used, told } = await following(issue());
    await renewal.look();
    expect(used).toEqual([]);
    const next = issue();
    put(next);
    await renewal.look();
    await renewal.look();
    expect(used).toMatchObject([next]);
    expect(told).toHaveLength(1);
    expect(renewal.notices()).toEqual([]);
  });

  it('is not served with while its halves do not fit, which is told once and until they do', async () => {
    const { renewal, used, told } = await following(issue());
    const next = issue();
    put({ cert: next.cert });
    await renewal.look();
    await renewal.look();
    expect(used).toEqual([]);
    expect(told).toMatchObject([{ code: 'invalid-configuration' }]);
    expect(renewal.notices()).toEqual([
      expect.stringContaining('is not the key of the first certificate'),
      expect.stringMatching(/^The certificate in use ends at \d{4}-/),
    ]);
    put({ key: next.key });
    await renewal.look();
    expect(used).toMatchObject([next]);
    expect(renewal.notices()).toEqual([]);
  });

  it('is asked to be renewed when a tenth of its life is left, and again when it has ended', async () => {
    const { renewal, told, clock } = await following(issue(60));
    expect(renewal.notices()).toEqual([]);
    clock.nowMs += 52 * dayMs;
    expect(renewal.notices()).toEqual([expect.stringMatching(/^The certificate in use ends at/)]);
    clock.nowMs += 9 * dayMs;
    await renewal.look();
    expect(renewal.notices()).toEqual([
      expect.stringMatching(/TLS_CERT_FILE .* ended at/),
      expect.stringMatching(/^The certificate in use ended at/),
    ]);
    expect(told).toHaveLength(1);
  });
});
