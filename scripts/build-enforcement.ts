/**
 * Builds the folder that is published as `caep-hub-enforcement`: the library and the few files of core that it
 * imports, compiled, with their types and a package.json of its own.
 *
 *     tsx scripts/build-enforcement.ts [folder]      default: dist-enforcement
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

type Manifest = {
  readonly version: string;
  readonly license: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
};

const dependenciesOfLibrary = ['eventsource-parser', 'lru-cache'];

const root = path.resolve(import.meta.dirname, '..');
const folder = path.resolve(process.argv[2] ?? path.join(root, 'dist-enforcement'));

rmSync(folder, { recursive: true, force: true });
execFileSync(
  path.join(root, 'node_modules/.bin/tsc'),
  ['-p', 'tsconfig.enforcement.json', '--outDir', folder],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
copyFileSync(path.join(root, 'docs/enforcement.md'), path.join(folder, 'README.md'));
writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest(), undefined, 2)}\n`);

function manifest(): Record<string, unknown> {
  const { version, license, engines, dependencies } = readManifest();
  return {
    name: 'caep-hub-enforcement',
    version,
    description: 'Enforcement point of caep-hub: refuses revoked key-bound tokens from a local, exact cache.',
    license,
    type: 'module',
    engines,
    exports: { '.': { types: './enforcement/index.d.ts', default: './enforcement/index.js' } },
    sideEffects: false,
    dependencies: Object.fromEntries(dependenciesOfLibrary.map((name) => [name, dependencies[name]])),
  };
}

function readManifest(): Manifest {
  return JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Manifest;
}
