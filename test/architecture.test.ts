import { describe, expect, it } from 'vitest';
import { type Import, parseSourceFile, readSourceFiles, type SourceFile } from './support/source-file.ts';

/** Imports point from a higher number to a lower or equal one. */
const rings = {
  core: 0,
  enforcement: 1,
  http: 2,
  pipeline: 3,
  feature: 4,
  adapters: 5,
  config: 6,
  app: 7,
  cli: 7,
  main: 8,
} as const;
type Ring = keyof typeof rings;

const features = new Set([
  'intake',
  'hooks',
  'receiver',
  'revocations',
  'agents',
  'issuers',
  'policies',
  'runbooks',
  'audit',
  'console',
  'transmitter',
  'points',
  'authorization',
  'sources',
  'identity-links',
]);

/** The part of core that the library's package carries: it takes nothing else, and these import only each other. */
const coreOfLibrary = new Set(
  ['vocabulary', 'match', 'revocation', 'token-context', 'feed', 'issuer'].map(
    (name) => `src/core/${name}.ts`,
  ),
);
const packagesOfLibrary = new Set(['eventsource-parser', 'lru-cache']);

/** Core imports nothing from outside, except the one schema language: payload schemas of events are domain. */
const coreImports = /^typebox(\/|$)/;

/** Clocks, chance, environment, network and timers: all of them are arguments in core. */
const impure = new Set([
  'Date.now',
  'new Date()',
  'performance',
  'Math.random',
  'crypto',
  'process',
  'globalThis',
  'console',
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
]);

/** Packages that only some places may know: the first pattern that matches a specifier decides. */
const packageHomes: readonly { readonly packages: RegExp; readonly home: RegExp }[] = [
  { packages: /^(fastify$|@fastify\/)/, home: /^src\/(app\.ts$|http\/|[^/]+\/([a-z]+-)?routes\.ts$)/ },
  { packages: /^(pg|drizzle-orm|@electric-sql|bullmq|ioredis|undici)(\/|$)/, home: /^src\/adapters\// },
  { packages: /^jose(\/|$)/, home: /^src\/adapters\/jose\// },
  { packages: /^oidc-provider$/, home: /^src\/adapters\/oidc-provider\// },
  { packages: /^oauth4webapi$/, home: /^src\/adapters\/oauth4webapi\// },
  { packages: /^jsonata$/, home: /^src\/adapters\/jsonata\// },
  { packages: /^commander$/, home: /^src\/(cli\/|main\.ts$)/ },
];

const fileLinesMax = 300;
const functionLinesMax = 70;

type Rule = {
  readonly guarantee: string;
  readonly breaches: (file: SourceFile) => readonly string[];
  /** A file that breaks the rule, so that the rule is seen to bite. */
  readonly planted: { readonly path: string; readonly text: string };
};

const sourceRules: readonly Rule[] = [
  {
    guarantee: 'every file belongs to a ring',
    breaches: (file) => (ringOf(file.path) === undefined ? [`${file.path} is in no ring`] : []),
    planted: { path: 'src/helpers/strings.ts', text: '' },
  },
  {
    guarantee: 'relative imports name a .ts file of src',
    breaches: (file) =>
      importsThat(
        file,
        ({ target }) => target !== undefined && (!target.startsWith('src/') || !target.endsWith('.ts')),
      ),
    planted: { path: 'src/core/feed.ts', text: "import { a } from '../../test/support/builders.ts';" },
  },
  {
    guarantee: 'imports point inwards',
    breaches: (file) => importsThat(file, ({ target }) => rankOf(target) > rankOf(file.path)),
    planted: {
      path: 'src/pipeline/ports.ts',
      text: "import type { A } from '../adapters/postgres/pool.ts';",
    },
  },
  {
    guarantee: 'no feature imports a feature',
    breaches: (file) =>
      ringOf(file.path) !== 'feature'
        ? []
        : importsThat(
            file,
            ({ target }) => ringOf(target) === 'feature' && folderOf(target) !== folderOf(file.path),
          ),
    planted: { path: 'src/intake/routes.ts', text: "export { a } from '../points/receipts.ts';" },
  },
  {
    guarantee: 'features know the pipeline by its types only',
    breaches: (file) =>
      ringOf(file.path) !== 'feature'
        ? []
        : importsThat(file, ({ target, typeOnly }) => ringOf(target) === 'pipeline' && !typeOnly),
    planted: {
      path: 'src/intake/routes.ts',
      text: "import { a, type B } from '../pipeline/handle-signal.ts';",
    },
  },
  {
    guarantee: 'the command line knows core, and of everything else the wire types only',
    breaches: (file) =>
      ringOf(file.path) !== 'cli'
        ? []
        : importsThat(file, ({ target, typeOnly }) => {
            const ring = ringOf(target);
            return ring !== undefined && ring !== 'core' && ring !== 'cli' && !typeOnly;
          }),
    planted: { path: 'src/cli/kill.ts', text: "import { a } from '../intake/schemas.ts';" },
  },
  {
    guarantee: 'the library takes from core only what its package carries',
    breaches: (file) =>
      ringOf(file.path) !== 'enforcement' && !coreOfLibrary.has(file.path)
        ? []
        : importsThat(file, ({ target, specifier }) =>
            target === undefined
              ? !specifier.startsWith('node:') && !packagesOfLibrary.has(specifier)
              : ringOf(target) === 'core' && !coreOfLibrary.has(target),
          ),
    planted: { path: 'src/enforcement/cache.ts', text: "import type { A } from '../core/policy.ts';" },
  },
  {
    guarantee: 'core imports nothing from outside but its schema language',
    breaches: (file) =>
      ringOf(file.path) !== 'core'
        ? []
        : importsThat(file, ({ target, specifier }) => target === undefined && !coreImports.test(specifier)),
    planted: { path: 'src/core/audit.ts', text: "import { createHash } from 'node:crypto';" },
  },
  {
    guarantee: 'core reads no clock, chance, environment or network',
    breaches: (file) => (ringOf(file.path) !== 'core' ? [] : usesThat(file, (name) => impure.has(name))),
    planted: { path: 'src/core/decide.ts', text: 'export const now = () => performance.now();' },
  },
  {
    guarantee: 'a framework or driver is known only where it belongs',
    breaches: (file) =>
      importsThat(file, ({ specifier }) => {
        const home = packageHomes.find(({ packages }) => packages.test(specifier))?.home;
        return home !== undefined && !home.test(file.path);
      }),
    planted: { path: 'src/intake/accept-signal.ts', text: "import type { FastifyRequest } from 'fastify';" },
  },
  {
    guarantee: 'the environment is read in main.ts only',
    breaches: (file) =>
      file.path === 'src/main.ts'
        ? []
        : [
            ...usesThat(file, (name) => name === 'process.env'),
            ...importsThat(file, ({ specifier }) => /^(node:)?process$/.test(specifier)),
          ],
    planted: { path: 'src/config.ts', text: "export const port = process['env'].PORT;" },
  },
  {
    guarantee: 'no barrel but the published entry point',
    breaches: (file) =>
      file.path === 'src/enforcement/index.ts' ? [] : importsThat(file, ({ reExport }) => reExport),
    planted: { path: 'src/core/all.ts', text: "export * from './feed.ts';" },
  },
];

const everywhereRules: readonly Rule[] = [
  {
    guarantee: 'no default exports, enums or namespaces',
    breaches: (file) =>
      file.path === 'vitest.config.ts'
        ? []
        : usesThat(file, (name) => name === 'export default' || name === 'enum' || name === 'namespace'),
    planted: { path: 'demo/main.ts', text: 'export default 1;' },
  },
  {
    guarantee: `no file is longer than ${fileLinesMax} lines`,
    breaches: (file) => (file.lines > fileLinesMax ? [`${file.path} has ${file.lines} lines`] : []),
    planted: { path: 'test/long.test.ts', text: '\n'.repeat(fileLinesMax + 1) },
  },
  {
    guarantee: `no function is longer than ${functionLinesMax} lines`,
    breaches: (file) =>
      file.functions
        .filter(({ lines, listsTests }) => lines > functionLinesMax && !(listsTests && isTest(file.path)))
        .map(({ line, lines }) => `${file.path}:${line} has ${lines} lines`),
    planted: {
      path: 'src/core/long.ts',
      text: `export const long = () => {${'\n'.repeat(functionLinesMax)}};`,
    },
  },
];

/** Fewer than this means that reading went wrong, not that the rules hold. */
const sourceFilesMin = 10;

const source = readSourceFiles(['src']);
const everywhere = [...source, ...readSourceFiles(['test', 'demo', 'bench', 'scripts'])];

describe('the rings hold', () => {
  for (const { guarantee, breaches, planted } of sourceRules) {
    it(`in src, ${guarantee}`, () => {
      expect(breaches(parseSourceFile(planted.path, planted.text))).toHaveLength(1);
      expect(source.flatMap(breaches)).toEqual([]);
    });
  }
});

describe('the shapes of code hold', () => {
  for (const { guarantee, breaches, planted } of everywhereRules) {
    it(guarantee, () => {
      expect(breaches(parseSourceFile(planted.path, planted.text))).toHaveLength(1);
      expect(everywhere.flatMap(breaches)).toEqual([]);
    });
  }

  it('a function that lists tests may be longer, a test in it may not', () => {
    const long = '\n'.repeat(functionLinesMax);
    const text = `suite(() => {${long}for (;;) it.each([1])('test', () => {${long}});\n});`;
    const rule = everywhereRules.find(({ guarantee }) => guarantee.includes('function'));
    expect(rule?.breaches(parseSourceFile('test/planted.test.ts', text))).toEqual([
      `test/planted.test.ts:${functionLinesMax + 1} has ${functionLinesMax + 1} lines`,
    ]);
  });
});

it('the rules were held against all there is', () => {
  const folders = new Set(source.map(({ path }) => path.split('/')[1]));
  expect([...folders]).toEqual(expect.arrayContaining(['core', 'pipeline', 'adapters']));
  expect(source.length).toBeGreaterThan(sourceFilesMin);
  expect(source.flatMap(({ imports }) => imports).length).toBeGreaterThan(source.length);
  expect(source.flatMap(({ functions }) => functions).length).toBeGreaterThan(source.length);
  expect(everywhere.length).toBeGreaterThan(source.length);
});

function isTest(path: string): boolean {
  return path.startsWith('test/');
}

function importsThat(file: SourceFile, breaks: (found: Import) => boolean): string[] {
  return file.imports
    .filter(breaks)
    .map(({ line, specifier }) => `${file.path}:${line} imports ${specifier}`);
}

function usesThat(file: SourceFile, breaks: (name: string) => boolean): string[] {
  return file.uses
    .filter(({ name }) => breaks(name))
    .map(({ line, name }) => `${file.path}:${line} uses ${name}`);
}

function ringOf(path: string | undefined): Ring | undefined {
  const [, folder = '', below] = path?.match(/^src\/([^/]+?)(?:\.ts|\/(.+))$/) ?? [];
  if (below !== undefined && features.has(folder)) return 'feature';
  const standsAsFile = folder === 'main' || folder === 'app' || folder === 'config';
  const standsAsFolder = folder !== 'main' && folder !== 'config';
  const stands = below === undefined ? standsAsFile : standsAsFolder;
  if (!(folder in rings) || folder === 'feature' || !stands) return undefined;
  return folder as Ring;
}

/** A target outside the rings ranks lowest: another rule reports it. */
function rankOf(path: string | undefined): number {
  const ring = ringOf(path);
  return ring === undefined ? -1 : rings[ring];
}

function folderOf(path: string | undefined): string | undefined {
  return path?.split('/')[1];
}
