import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Problem } from '../../core/problem.ts';

/** More would be a mistake, in bytes. */
const fileBytesMax = 1_024 * 1_024;

/** A file of certificates or of a key, and the variable that names it. */
export type PemFile = {
  readonly variable: string;
  readonly path: string;
  /** What to do when it cannot be used. */
  readonly hint: string;
};

/** @throws Problem `invalid-configuration` when it cannot be read, or is larger than any such file */
export async function readPemFile(file: PemFile): Promise<string> {
  const text = await readFile(file.path, 'utf8').catch((cause: unknown) => {
    throw unusable(file, 'cannot be read', cause);
  });
  if (text.length > fileBytesMax) throw unusable(file, `is larger than ${fileBytesMax} bytes`);
  return text;
}

/** Every certificate of the file, in its order. @throws Problem `invalid-configuration` when there is none, or one is none */
export async function readCertificates(file: PemFile): Promise<readonly X509Certificate[]> {
  const text = await readPemFile(file);
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw unusable(file, 'holds no certificate in PEM');
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw unusable(file, 'holds a certificate that cannot be read', cause);
  }
}

export const unusable = ({ variable, path, hint }: PemFile, what: string, cause?: unknown): Problem =>
  new Problem('invalid-configuration', `${variable} (${path}) ${what}.`, { hint, cause });
