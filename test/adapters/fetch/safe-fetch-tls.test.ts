import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:tls';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { readExtraCa } from '../../../src/adapters/fetch/extra-ca.ts';
import { createSafeFetch } from '../../../src/adapters/fetch/safe-fetch.ts';
import { parseOutboundAllow } from '../../../src/core/outbound-allow.ts';
import type { FetchOutcome } from '../../../src/core/outgoing.ts';
import { anAuthority, aSelfSignedCertificate } from '../../support/certificates.ts';
import {
  aDownstreamReceiver,
  type DownstreamReceiver,
  type DownstreamReceiverOptions,
} from '../../support/downstream-receiver.ts';

const authority = anAuthority();
const allow = parseOutboundAllow('127.0.0.1, localhost').filter((entry) => entry !== undefined);
const directory = mkdtempSync(join(tmpdir(), 'caep-hub-ca-'));
const opened: DownstreamReceiver[] = [];
afterEach(() => Promise.all(opened.splice(0).map(({ close }) => close())));
afterAll(() => rmSync(directory, { recursive: true }));

async function reach(
  tls: DownstreamReceiverOptions['tls'],
  { host = '127.0.0.1', extraCa = [authority.pem] }: { host?: string; extraCa?: readonly string[] } = {},
): Promise<FetchOutcome> {
  const receiver = await aDownstreamReceiver(tls === undefined ? {} : { tls });
  opened.push(receiver);
  receiver.behave({ kind: 'answers', status: 202 });
  const fetcher = createSafeFetch({ allow, extraCa });
  const url = `https://${host}:${receiver.port}/push`;
  const outcome = await fetcher.fetch({ url, method: 'POST', headers: {}, body: 'x' });
  await fetcher.close();
  if (outcome.kind === 'failed') expect(receiver.received).toEqual([]);
  return outcome;
}

const refused = (detail: string) => ({ kind: 'failed', failure: 'tls', detail });

describe('SEC-18: TLS is verified in full', () => {
  it('RFC 6125: the name, or the address, must be in the certificate', async () => {
    expect(await reach(authority.issue(['localhost']), { host: 'localhost' })).toMatchObject({ status: 202 });
    expect(await reach(authority.issue(['127.0.0.1']))).toMatchObject({ status: 202 });
    const mismatch = refused('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(await reach(authority.issue(['other.example']), { host: 'localhost' })).toEqual(mismatch);
    expect(await reach(authority.issue(['localhost']))).toEqual(mismatch);
  });

  it('a certificate that vouches for itself is refused', async () => {
    expect(await reach(aSelfSignedCertificate())).toEqual(refused('DEPTH_ZERO_SELF_SIGNED_CERT'));
  });

  it('an authority that is not listed is not trusted', async () => {
    const certificate = authority.issue(['127.0.0.1']);
    const unknown = refused('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    expect(await reach(certificate, { extraCa: [] })).toEqual(unknown);
    expect(await reach(certificate, { extraCa: [anAuthority().pem] })).toEqual(unknown);
  });

  it('a certificate that has ended is refused', async () => {
    expect(await reach(authority.issue(['127.0.0.1'], -1))).toEqual(refused('CERT_HAS_EXPIRED'));
  });

  it('TLS 1.2 is the least', async () => {
    const certificate = authority.issue(['127.0.0.1']);
    expect(await reach({ ...certificate, maxVersion: 'TLSv1.2' })).toMatchObject({ status: 202 });
    const outcome = await reach({ ...certificate, maxVersion: 'TLSv1.1' });
    expect(outcome).toMatchObject({ kind: 'failed', failure: 'tls' });
  });

  it('the old server of that test does speak with who takes TLS 1.1', async () => {
    const tls = { ...authority.issue(['127.0.0.1']), maxVersion: 'TLSv1.1' } as const;
    const receiver = await aDownstreamReceiver({ tls });
    opened.push(receiver);
    const protocol = await new Promise((resolve, reject) => {
      const socket = connect(
        {
          host: '127.0.0.1',
          port: receiver.port,
          ca: authority.pem,
          minVersion: 'TLSv1',
          ciphers: 'DEFAULT:@SECLEVEL=0',
        },
        () => {
          resolve(socket.getProtocol());
          socket.destroy();
        },
      );
      socket.on('error', reject);
    });
    expect(protocol).toBe('TLSv1.1');
  });

  it('what does not speak TLS is refused', async () => {
    expect(await reach(undefined)).toMatchObject({ kind: 'failed', failure: 'tls' });
  });
});

describe('EXTRA_CA_FILE', () => {
  const write = (text: string): string => {
    const path = join(directory, 'ca.pem');
    writeFileSync(path, text);
    return path;
  };

  it('adds every certificate of the file to the public roots', async () => {
    const other = anAuthority();
    const path = write(`# ours\n${other.pem}\n# theirs\n${authority.pem}`);
    const extraCa = await readExtraCa(path);
    expect(extraCa).toEqual([other.pem, authority.pem]);
    expect(await reach(other.issue(['127.0.0.1']), { extraCa })).toMatchObject({ status: 202 });
    expect(await reach(authority.issue(['127.0.0.1']), { extraCa })).toMatchObject({ status: 202 });
  });

  it.each([
    ['', 'holds no certificate in PEM'],
    [anAuthority().issue(['a.example']).key, 'holds no certificate in PEM'],
    [
      '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----',
      'holds a certificate that cannot be read',
    ],
    ['x'.repeat(1_048_577), 'is larger than 1048576 bytes'],
  ])('a file with %.40j is refused at the start', async (text, what) => {
    const path = write(text);
    await expect(readExtraCa(path)).rejects.toMatchObject({
      code: 'invalid-configuration',
      message: `EXTRA_CA_FILE (${path}) ${what}.`,
    });
  });

  it('a file that is not there is refused at the start', async () => {
    await expect(readExtraCa(join(directory, 'none.pem'))).rejects.toThrow('cannot be read');
  });
});
