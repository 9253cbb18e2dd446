import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { Problem } from '../../core/problem.ts';

const algorithm = 'aes-256-gcm';
/** First byte of what is sealed, so that another form can follow. */
const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const headBytes = 1 + nonceBytes + tagBytes;

/** Secrets at rest. What is sealed opens under the same key and for the same `context` only, and unchanged. */
export type Sealer = {
  /** `context` says whose secret it is, such as `signing-key <kid>`: authenticated, not kept, and shown when it does not open. */
  seal(plain: string, context: string): Uint8Array;
  /** @throws Problem `invalid-configuration` when it does not open: mostly another `SECRETS_KEY`. */
  open(sealed: Uint8Array, context: string): string;
};

/**
 * AES-256-GCM with random nonces, under a key of 32 bytes for one purpose (`deriveKey('signing-keys')`).
 *
 * @see NIST SP 800-38D §8.2.2
 */
export function createSealer(key: Uint8Array): Sealer {
  return {
    seal(plain, context) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
      cipher.setAAD(Buffer.from(context));
      const text = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.of(version), nonce, cipher.getAuthTag(), text]);
    },

    open(sealed, context) {
      if (sealed[0] !== version || sealed.length < headBytes) throw doesNotOpen(context);
      const nonce = sealed.subarray(1, 1 + nonceBytes);
      const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(sealed.subarray(1 + nonceBytes, headBytes));
      const text = decipher.update(sealed.subarray(headBytes));
      try {
        return Buffer.concat([text, decipher.final()]).toString();
      } catch (error) {
        throw doesNotOpen(context, error);
      }
    },
  };
}

const doesNotOpen = (context: string, cause?: unknown): Problem =>
  new Problem('invalid-configuration', `The secret "${context}" does not open with this SECRETS_KEY.`, {
    hint: 'Start with the SECRETS_KEY (or DATA_DIR/secrets-key) that it was sealed under; it is the same on every node.',
    cause,
  });
