/** Writes the parts of documents that are made from tables in the code: `npm run docs`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentExample, generatedParts, withPart } from './generated-documents.ts';

const root = join(import.meta.dirname, '..');
for (const part of generatedParts) {
  const path = join(root, part.file);
  writeFileSync(path, withPart(readFileSync(path, 'utf8'), part));
}
writeFileSync(join(root, '.env.example'), environmentExample());
