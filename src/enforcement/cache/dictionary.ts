import { type Place, readVarint, writeVarint } from './bytes.ts';
import { packText, unpackText } from './packed-text.ts';

/** Issuers, reasons and epochs: few values in many entries. Whatever comes after the first so many is written out. */
const wordsMax = 4_096;
const wordUnitsMax = 512;

/** Words keep their number as long as the dictionary lives. */
export type Dictionary = { readonly numbers: Map<string, number>; readonly words: string[] };

export const createDictionary = (): Dictionary => ({ numbers: new Map(), words: [] });

export function writeWord(dictionary: Dictionary, word: string, place: Place): void {
  const number = dictionary.numbers.get(word) ?? learn(dictionary, word);
  writeVarint(place, number);
  if (number === writtenOut) packText(word, place);
}

export function readWord(dictionary: Dictionary, place: Place): string {
  const number = readVarint(place);
  return dictionary.words[number - 1] ?? unpackText(place);
}

const writtenOut = 0;

function learn({ numbers, words }: Dictionary, word: string): number {
  if (words.length >= wordsMax || word.length > wordUnitsMax) return writtenOut;
  const number = words.push(word);
  numbers.set(word, number);
  return number;
}
