import { Readable } from 'node:stream';

/** Events without end, for a response that is under way until it is cut. */
export function endless(): Readable {
  let line = 0;
  return new Readable({
    read() {
      setImmediate(() => this.push(`data: ${(line += 1)}\n\n`));
    },
  });
}
