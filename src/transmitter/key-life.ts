import type { SigningAlgorithm } from '../core/stream.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { SigningKey } from './key-ports.ts';

/** How long a Receiver may go on using what it fetched from `/jwks.json`. */
export const jwksCacheSeconds = 300;
/** For clocks that differ and fetches that fail. */
const slackMs = 5 * 60_000;
/** A key for SETs signs only when it has been published for so long, and is served for as long after it last signed. */
export const keyOverlapMs = jwksCacheSeconds * 1_000 + slackMs;

/**
 * - `published`: receivers may know it before it signs;
 * - `signing`;
 * - `superseded`: signs no more, and is served for those SETs that it signed;
 * - `retired`: served no more.
 */
export const keyStates = ['published', 'signing', 'superseded', 'retired'] as const;
export type KeyState = (typeof keyStates)[number];

/** Those of an algorithm that receivers may verify by, oldest first. */
export const servedKeys = (keys: readonly SigningKey[], algorithm: SigningAlgorithm): readonly SigningKey[] =>
  keys
    .filter((key) => key.algorithm === algorithm && key.retiredAtMs === undefined)
    .sort((one, other) => one.generation - other.generation);

/**
 * The key that signs now: the newest whose time has come. Where none's has, because a clock was set back, it is the
 * oldest: receivers have known it longest.
 */
export function signingKeyAt(
  keys: readonly SigningKey[],
  algorithm: SigningAlgorithm,
  nowMs: Millis,
): SigningKey | undefined {
  const served = servedKeys(keys, algorithm);
  return served.findLast(({ signsFromMs }) => signsFromMs <= nowMs) ?? served[0];
}

export function keyStateAt(key: SigningKey, keys: readonly SigningKey[], nowMs: Millis): KeyState {
  if (key.retiredAtMs !== undefined) return 'retired';
  const signing = signingKeyAt(keys, key.algorithm, nowMs);
  if (signing === undefined || signing.kid === key.kid) return 'signing';
  return key.generation > signing.generation ? 'published' : 'superseded';
}

/** When a newer one takes, or took, its place; absent as long as there is none. */
export function signsUntilMs(key: SigningKey, keys: readonly SigningKey[]): Millis | undefined {
  const starts = keys
    .filter(({ algorithm, generation }) => algorithm === key.algorithm && generation > key.generation)
    .map(({ signsFromMs }) => signsFromMs);
  return starts.length === 0 ? undefined : Math.min(...starts);
}

/** What the next key of its algorithm is numbered with. */
export const nextGeneration = (keys: readonly SigningKey[], algorithm: SigningAlgorithm): number =>
  1 + Math.max(0, ...keys.filter((key) => key.algorithm === algorithm).map(({ generation }) => generation));
