import { describe, expect, it } from 'vitest';
import { createSealer } from '../../src/adapters/system/sealer.ts';
import { createKeyring } from '../../src/authorization/keyring.ts';

const keyOf = (secret: string, label = 'signing-keys') => createKeyring(secret.repeat(32))(label);
const sealer = createSealer(keyOf('a'));
const doesNotOpen = expect.objectContaining({
  code: 'invalid-configuration',
  message: 'The secret "stream one" does not open with this SECRETS_KEY.',
  hint: expect.stringContaining('DATA_DIR/secrets-key'),
});

describe('DESIGN §12: secrets at rest', () => {
  it.each(['', 'Bearer s3cret', 'Zoë 🔑'])('open as they were sealed: %j', (plain) => {
    expect(sealer.open(sealer.seal(plain, 'stream one'), 'stream one')).toBe(plain);
  });

  it('look different each time, and show nothing of what they are', () => {
    const [one, other] = [sealer.seal('secret', 'stream one'), sealer.seal('secret', 'stream one')];
    expect(Buffer.from(one).equals(other)).toBe(false);
    expect(Buffer.from(one).includes('secret')).toBe(false);
  });

  it.each([
    ['under another secret', createSealer(keyOf('b')), 'stream one'],
    ['under a key for another purpose', createSealer(keyOf('a', 'streams')), 'stream one'],
    ['for another one', sealer, 'stream two'],
  ])('do not open when they were sealed %s', (_how, by, context) => {
    expect(() => sealer.open(by.seal('secret', context), 'stream one')).toThrow(doesNotOpen);
  });

  it('do not open when a single bit of them changed, or when some is missing', () => {
    const sealed = sealer.seal('secret', 'stream one');
    for (let at = 0; at < sealed.length; at++) {
      const changed = Uint8Array.from(sealed, (byte, index) => (index === at ? byte ^ 1 : byte));
      expect(() => sealer.open(changed, 'stream one'), `byte ${at}`).toThrow(doesNotOpen);
      expect(() => sealer.open(sealed.subarray(0, at), 'stream one'), `first ${at}`).toThrow(doesNotOpen);
    }
  });
});
