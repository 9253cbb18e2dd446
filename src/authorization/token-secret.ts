import { createHash, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { SecretHash } from './ports.ts';

const prefix = 'chub_';
const secretBytes = 32;
/** 32 bits in base 36, padded. */
const checksumCharacters = 7;

/**
 * `chub_`, 32 random bytes in base64url, and the CRC-32 of both in base 36: whoever scans code for leaked secrets knows
 * one without asking us.
 */
export function makeTokenSecret(): string {
  const body = prefix + randomBytes(secretBytes).toString('base64url');
  return body + checksum(body);
}

/** A secret of 256 random bits needs no salt and no stretching. */
export const hashSecret = (secret: string): SecretHash => createHash('sha256').update(secret).digest();

const checksum = (body: string): string => crc32(body).toString(36).padStart(checksumCharacters, '0');
