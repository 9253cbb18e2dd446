import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Problem } from '../../core/problem.ts';

/** More would be a mistake, in bytes. */
const fileBytesMax = 1_024 * 1_024;

/**
 * The certificates of EXTRA_CA_FILE, each in PEM.
 *
 * @throws Problem `invalid-configuration` when it cannot be read, holds none, or holds one that is none
 */
export async function readExtraCa(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw unusable(path, 'cannot be read', cause);
  });
  if (text.length > fileBytesMax) throw unusable(path, `is larger than ${fileBytesMax} bytes`);
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw unusable(path, 'holds no certificate in PEM');
  try {
    return certificates.map((certificate) => new X509Certificate(certificate).toString());
  } catch (cause) {
    throw unusable(path, 'holds a certificate that cannot be read', cause);
  }
}

const unusable = (path: string, what: string, cause?: unknown): Problem =>
  new Problem('invalid-configuration', `EXTRA_CA_FILE (${path}) ${what}.`, {
    hint: 'Give a file with certificates in PEM, one after the other.',
    cause,
  });
