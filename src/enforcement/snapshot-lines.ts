import { StringDecoder } from 'node:string_decoder';
import { createSlices } from './slices.ts';

/** No line is longer, in UTF-16 code units. */
const lineUnitsMax = 1_048_576;

/** Hands out each line (without its newline) in order, in short slices, so that requests are answered meanwhile. The last line must end with a newline too. */
export async function readLines(
  source: AsyncIterable<Buffer>,
  onLine: (line: string) => void,
): Promise<void> {
  const decoder = new StringDecoder('utf8');
  const slices = createSlices();
  let rest = '';
  for await (const chunk of source) {
    const text = rest + decoder.write(chunk);
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      onLine(text.slice(start, end));
      start = end + 1;
      if (slices.isOver()) await slices.next();
    }
    rest = text.slice(start);
    if (rest.length > lineUnitsMax) throw new Error('a line is too long');
  }
  if (rest + decoder.end() !== '') throw new Error('the last line is cut off');
}

/** A JSON object. @throws Error when the line is none. */
export function readObject(line: string): { readonly [member: string]: unknown } {
  const json: unknown = JSON.parse(line);
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Error('a line is no object');
  return json as { readonly [member: string]: unknown };
}
