import { isLoopback } from '../../enforcement/loopback.ts';

const urlLengthMax = 2_048;
const listMax = 200;
const textLengthMax = 512;

/** One that the hub would call: https, or http on this machine, which SafeFetch asks the operator about. */
export function readUrl(text: unknown): URL | undefined {
  if (typeof text !== 'string' || text.length > urlLengthMax || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isSafe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  return isSafe && url.hash === '' && url.username === '' && url.password === '' ? url : undefined;
}

/** `undefined`: there is none. `null`: it is no list of texts, or too much of one. */
export function readTexts(value: unknown): readonly string[] | undefined | null {
  if (value === undefined) return undefined;
  const isList = Array.isArray(value) && value.length <= listMax;
  return isList && value.every((item) => typeof item === 'string' && item.length <= textLengthMax)
    ? (value as readonly string[])
    : null;
}
