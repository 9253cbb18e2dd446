import {
  calculateJwkThumbprint,
  CompactSign,
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
  type CryptoKey,
  type JWK,
} from 'jose';
import type { SigningAlgorithm } from '../../core/stream.ts';
import { keyTypes, type KeyCraft, type PublicJwk } from '../../transmitter/key-ports.ts';

/** Until 2030 and beyond; below 2048 nobody takes a signature. @see RFC 7518 §3.3, NIST SP 800-57 */
const rsaBits = 3_072;
/** @see RFC 8417 §2.3 */
const setType = 'secevent+jwt';
/** What is published of a key pair, besides `kty`. Whatever else an export may hold stays here. */
const publicMembers = ['n', 'e', 'crv', 'x', 'y'] as const;

/** Keys and signatures by WebCrypto, which works on threads of its own: many SETs are signed at once. */
export const keyCraft: KeyCraft = {
  async make(algorithm) {
    const pair = await generateKeyPair(algorithm, {
      extractable: true,
      ...(algorithm === 'RS256' && { modulusLength: rsaBits }),
    });
    const publicJwk = await publish(pair.publicKey, algorithm);
    return { kid: publicJwk.kid, publicJwk, privateKey: await exportPKCS8(pair.privateKey) };
  },

  async openSigner({ kid, algorithm, privateKey }) {
    const key = await importPKCS8(privateKey, algorithm, { extractable: false });
    const header = { alg: algorithm, kid, typ: setType };
    return (claims) =>
      new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader(header).sign(key);
  },
};

/** For who signs with a JWK: the private key, with what is published of it. */
export async function privateJwkOf({
  kid,
  algorithm,
  privateKey,
}: Parameters<KeyCraft['openSigner']>[0]): Promise<JWK & { readonly kty: string }> {
  const { kty, ...members } = await exportJWK(
    await importPKCS8(privateKey, algorithm, { extractable: true }),
  );
  if (kty === undefined) throw new Error('a key was exported without kty');
  return { kty, ...members, kid, alg: algorithm, use: 'sig' };
}

async function publish(key: CryptoKey, algorithm: SigningAlgorithm): Promise<PublicJwk> {
  const exported = await exportJWK(key);
  const kty = keyTypes.find((one) => one === exported.kty);
  if (kty === undefined) throw new Error(`a key was exported with kty ${String(exported.kty)}`);
  const members = publicMembers.flatMap((name) => {
    const value = exported[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const jwk = { kty, ...Object.fromEntries(members) };
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: algorithm, use: 'sig' };
}
