import type { KeyDirectory } from './key-directory.ts';
import type { KeyCraft, SigningKey, SigningKeyStore } from './key-ports.ts';

/** A key may be retired between being chosen and being opened; the next choice is another one. */
const choicesMax = 3;

/** Private keys as this node holds them: opened once, dropped when they are retired. */
export type OpenSigners<Signer> = {
  /** The signer of the key that `choose` answers; it is asked again when that was retired meanwhile. */
  current(choose: () => Promise<SigningKey>): Promise<{ readonly kid: string; readonly sign: Signer }>;
  /** Opens every key that is served. @throws Problem `invalid-configuration` when one does not open. */
  check(): Promise<void>;
};

export function createOpenSigners<Signer>({
  directory,
  store,
  craft,
}: {
  readonly directory: KeyDirectory;
  readonly store: Pick<SigningKeyStore, 'privateKeyOf'>;
  readonly craft: Pick<KeyCraft<Signer>, 'openSigner'>;
}): OpenSigners<Signer> {
  const opened = new Map<string, Promise<Signer | undefined>>();

  async function open({ kid, algorithm }: SigningKey): Promise<Signer | undefined> {
    const privateKey = await store.privateKeyOf(kid);
    return privateKey === undefined ? undefined : craft.openSigner({ kid, algorithm, privateKey });
  }

  /** What failed or was not there is not remembered. */
  function signerOf(key: SigningKey): Promise<Signer | undefined> {
    const there = opened.get(key.kid);
    if (there !== undefined) return there;
    dropRetired();
    const opening = open(key).then(
      (signer) => {
        if (signer === undefined) opened.delete(key.kid);
        return signer;
      },
      (error: unknown) => {
        opened.delete(key.kid);
        throw error;
      },
    );
    opened.set(key.kid, opening);
    return opening;
  }

  function dropRetired(): void {
    const served = servedNow(directory);
    for (const kid of opened.keys()) if (!served.some((key) => key.kid === kid)) opened.delete(kid);
  }

  return {
    async current(choose) {
      for (let choices = 0; choices < choicesMax; choices++) {
        const key = await choose();
        const sign = await signerOf(key);
        if (sign !== undefined) return { kid: key.kid, sign };
        await directory.refresh();
      }
      throw new Error('every signing key that was chosen was retired meanwhile');
    },

    async check() {
      await Promise.all(servedNow(directory).map(signerOf));
    },
  };
}

const servedNow = (directory: KeyDirectory): readonly SigningKey[] =>
  directory.all().filter(({ retiredAtMs }) => retiredAtMs === undefined);
