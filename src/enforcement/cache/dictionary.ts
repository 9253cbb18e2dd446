import { type Place, readVarint, writeVarint } from './bytes.ts';
import { checkText, packText, unpackText } from './packed-text.ts';

/** Issuers, reasons and epochs: few values in many entries. Whatever comes after the first so many is written out. */
const wordsMax = 4_096;
const wordUnitsMax = 512;

/** Words keep their number as long as the dictionary lives. */
export type Dictionary = { readonly numbers: Map<string, number>; readonly words: string[] };

export const createDictionary = (): Dictionary => ({ numbers: new Map(), words: [] });

/** The dictionary of whoever wrote the records that are to be read. @throws RangeError when it cannot be one. */
export function dictionaryOf(words: readonly unknown[]): Dictionary {
  const dictionary = createDictionary();
  for (const word of words) {
    if (typeof word !== 'string' || dictionary.numbers.has(word) || learn(dictionary, word) === writtenOut)
      throw new RangeError('not the words of a dictionary');
  }
  return dictionary;
}

export function writeWord(dictionary: Dictionary, word: string, place: Place): void {
  const number = dictionary.numbers.get(word) ?? learn(dictionary, word);
  writeVarint(place, number);
  if (number === writtenOut) packText(word, place);
}

export function readWord(dictionary: Dictionary, place: Place): string {
  const number = readVarint(place);
  return dictionary.words[number - 1] ?? unpackText(place);
}

/** How many UTF-16 code units the word has. @throws RangeError when it is none. */
export function checkWord({ words }: Dictionary, place: Place): number {
  const number = readVarint(place);
  if (number === writtenOut) return checkText(place);
  const word = words[number - 1];
  if (word === undefined) throw new RangeError('no such word');
  return word.length;
}

const writtenOut = 0;

function learn({ numbers, words }: Dictionary, word: string): number {
  if (words.length >= wordsMax || word.length > wordUnitsMax) return writtenOut;
  const number = words.push(word);
  numbers.set(word, number);
  return number;
}
