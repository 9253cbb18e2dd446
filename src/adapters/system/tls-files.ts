import { createPrivateKey, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { Millis } from '../../core/vocabulary.ts';
import { type TlsPair, tlsSettings } from '../../http/tls.ts';
import { type PemFile, readCertificates, readPemFile, unusable } from './pem-file.ts';

export type TlsFiles = { readonly certFile: string; readonly keyFile: string };

/** A pair that can be served with, and the life of its certificate. */
export type TlsCertificate = TlsPair & { readonly beginsAtMs: Millis; readonly endsAtMs: Millis };

/**
 * The pair of TLS_CERT_FILE and TLS_KEY_FILE.
 *
 * @throws Problem `invalid-configuration` when either cannot be read, they do not belong together, or no client would
 * take the certificate now.
 */
export async function readTlsFiles(files: TlsFiles, nowMs: Millis): Promise<TlsCertificate> {
  const certFile: PemFile = {
    variable: 'TLS_CERT_FILE',
    path: files.certFile,
    hint: "Give the server's own certificate in PEM, and after it the intermediate ones.",
  };
  const keyFile: PemFile = {
    variable: 'TLS_KEY_FILE',
    path: files.keyFile,
    hint: 'Give the private key of the first certificate in TLS_CERT_FILE, in PEM and without a passphrase.',
  };
  const certificates = await readCertificates(certFile);
  const key = await readKey(keyFile);
  const [own] = certificates;
  if (own === undefined || !own.checkPrivateKey(key)) {
    throw unusable(keyFile, `is not the key of the first certificate in ${files.certFile}`);
  }
  const [beginsAtMs, endsAtMs] = [Date.parse(own.validFrom), Date.parse(own.validTo)];
  const renew = { ...certFile, hint: 'Have it renewed, and see that the clock of this machine is right.' };
  if (nowMs > endsAtMs) throw unusable(renew, `ended at ${timeText(endsAtMs)}`);
  if (nowMs < beginsAtMs) throw unusable(renew, `is not valid before ${timeText(beginsAtMs)}`);
  const pair: TlsPair = {
    cert: certificates.map(String).join(''),
    key: String(key.export({ type: 'pkcs8', format: 'pem' })),
  };
  try {
    createSecureContext(tlsSettings(pair));
  } catch (cause) {
    throw unusable(certFile, `cannot be served with: ${reasonOf(cause)}`, cause);
  }
  return { ...pair, beginsAtMs, endsAtMs };
}

/** As it stands in messages. */
export const timeText = (atMs: Millis): string => new Date(atMs).toISOString();

async function readKey(file: PemFile): Promise<KeyObject> {
  const text = await readPemFile(file);
  try {
    return createPrivateKey(text);
  } catch (cause) {
    throw unusable(file, text.includes('ENCRYPTED') ? 'is encrypted' : 'holds no private key in PEM', cause);
  }
}

/** What OpenSSL says, such as that the key is too small. */
const reasonOf = (error: unknown): string =>
  error instanceof Error && 'reason' in error ? String(error.reason) : String(error);
