import { hkdfSync } from 'node:crypto';

export const secretsKeyCharactersMin = 32;
const keyBytes = 32;

/** A key of 32 bytes for one purpose. The same label gives the same key for as long as `SECRETS_KEY` stays. */
export type DeriveKey = (label: string) => Buffer;

/** @see RFC 5869 */
export const createKeyring =
  (secretsKey: string): DeriveKey =>
  (label) =>
    Buffer.from(hkdfSync('sha256', secretsKey, 'caep-hub', label, keyBytes));
