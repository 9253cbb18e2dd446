import { readCertificates } from '../system/pem-file.ts';

/**
 * The certificates of EXTRA_CA_FILE, each in PEM.
 *
 * @throws Problem `invalid-configuration` when it cannot be read, holds none, or holds one that is none
 */
export async function readExtraCa(path: string): Promise<readonly string[]> {
  const hint = 'Give a file with certificates in PEM, one after the other.';
  const certificates = await readCertificates({ variable: 'EXTRA_CA_FILE', path, hint });
  return certificates.map(String);
}
