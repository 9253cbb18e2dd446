import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const packagesMax = 6;
const installedBytesMax = 6 * 1024 * 1024;

const root = path.resolve(import.meta.dirname, '../..');
const modules = path.join(root, 'node_modules');
const run = promisify(execFile);

type Manifest = {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly engines: Record<string, string>;
  readonly dependencies: Record<string, string>;
};

const guardWithoutHub = `
  import { createEnforcer, toResponse } from 'caep-hub-enforcement';

  const enforcer = createEnforcer({
    hub: 'http://127.0.0.1:1',
    token: 'chub_example',
    point: 'consumer/1',
    audience: 'https://api.example',
    origin: 'https://api.example',
  });
  const { status, headers } = toResponse(await enforcer.check(new Request('https://api.example/charges')));
  console.log(status, headers.get('www-authenticate'));
  await enforcer.close();
`;

describe('the packed library', () => {
  let app: string;
  let installed: string;

  beforeAll(async () => {
    const built = await mkdtemp(path.join(tmpdir(), 'caep-hub-enforcement-'));
    app = await mkdtemp(path.join(tmpdir(), 'caep-hub-consumer-'));
    installed = path.join(app, 'node_modules/caep-hub-enforcement');
    try {
      await run(path.join(modules, '.bin/tsx'), [path.join(root, 'scripts/build-enforcement.ts'), built]);
      await installPacked(built, app);
    } finally {
      await rm(built, { recursive: true });
    }
  });
  afterAll(() => rm(app, { recursive: true }));

  it(`brings at most ${packagesMax} packages and ${installedBytesMax} bytes`, async () => {
    const names = await packageNames(app);
    expect(names).toContain('caep-hub-enforcement');
    expect(names.length).toBeLessThanOrEqual(packagesMax);
    expect(await bytesBelow(path.join(app, 'node_modules'))).toBeLessThanOrEqual(installedBytesMax);
  });

  it('bears the version, licence, engines and pinned dependencies of the hub', async () => {
    const hub = await readManifest(root);
    const library = await readManifest(installed);
    expect(library).toMatchObject({
      name: 'caep-hub-enforcement',
      version: hub.version,
      license: hub.license,
      engines: hub.engines,
    });
    expect(hub.dependencies).toMatchObject(library.dependencies);
    expect(await readdir(installed)).toContain('LICENSE');
  });

  it('imports each of its dependencies, and nothing else that Node does not have', async () => {
    const { dependencies } = await readManifest(installed);
    const imported = new Set<string>();
    for (const file of await readdir(installed, { recursive: true })) {
      if (!file.endsWith('.js')) continue;
      const text = await readFile(path.join(installed, file), 'utf8');
      for (const [, name] of text.matchAll(/^(?:import|export) [^'";=(]*?'([^.'][^']*)'/gm))
        if (name) imported.add(name);
    }
    const packages = [...imported].filter((name) => !name.startsWith('node:'));
    expect(packages.toSorted()).toEqual(Object.keys(dependencies).toSorted());
  });

  it('guards in plain Node, from a folder that has nothing else and without a hub, and lets the process end', async () => {
    await writeFile(path.join(app, 'use.js'), guardWithoutHub);
    const { stdout } = await run(process.execPath, ['use.js'], { cwd: app });
    expect(stdout).toMatch(/^401 DPoP /);
  });

  it('carries types that a consumer compiles against', async () => {
    await writeFile(
      path.join(app, 'use.ts'),
      `import { createEnforcer } from 'caep-hub-enforcement';
       export const options: Parameters<typeof createEnforcer>[0]['hub'] = 'http://127.0.0.1:8080';
       // @ts-expect-error: the options are typed, not any
       export const wrong: Parameters<typeof createEnforcer>[0]['hub'] = 8080;`,
    );
    expect(await compile('use.ts')).toBe('');
  });

  it.each(['README.md', 'docs/enforcement.md'])('compiles as %s shows its use', async (page) => {
    const [, example = ''] =
      /^```ts\n([^]*?)^```$/m.exec(await readFile(path.join(root, page), 'utf8')) ?? [];
    expect(example).toContain('createEnforcer({');
    await symlink(path.join(modules, 'fastify'), path.join(app, 'node_modules/fastify')).catch(
      () => undefined,
    );
    await writeFile(path.join(app, 'example.ts'), example);
    expect(await compile('example.ts')).toBe('');
  });

  /** What the compiler has to say of a file of the consumer's. */
  async function compile(file: string): Promise<string> {
    const words = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023'];
    const types = ['--types', 'node', '--typeRoots', path.join(modules, '@types')];
    const compiler = run(path.join(modules, '.bin/tsc'), [...words, ...types, file], { cwd: app });
    const { stdout } = await compiler.catch((failure: unknown) => failure as { readonly stdout: string });
    return stdout;
  }
});

/** Its dependencies come from the copies beside us, so that the installation needs no network. */
async function installPacked(built: string, app: string): Promise<void> {
  const npm = (...words: string[]): Promise<unknown> =>
    run('npm', [...words, `--cache=${app}/.cache`], { cwd: app });
  await npm('pack', built);
  const packed = (await readdir(app)).find((file) => file.endsWith('.tgz'));
  const { dependencies } = await readManifest(built);
  const copies = Object.keys(dependencies).map((name) => [name, `file:${path.join(modules, name)}`]);
  const manifest = {
    private: true,
    type: 'module',
    dependencies: { 'caep-hub-enforcement': `file:${packed}`, ...Object.fromEntries(copies) },
  };
  await writeFile(path.join(app, 'package.json'), JSON.stringify(manifest));
  await npm('install', '--offline', '--install-links', '--ignore-scripts', '--no-audit', '--no-fund');
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Manifest;
}

async function packageNames(folder: string): Promise<string[]> {
  const lock = JSON.parse(await readFile(path.join(folder, 'package-lock.json'), 'utf8')) as {
    packages: object;
  };
  const prefix = 'node_modules/';
  return Object.keys(lock.packages).flatMap((key) => {
    return key.includes(prefix) ? [key.slice(key.lastIndexOf(prefix) + prefix.length)] : [];
  });
}

async function bytesBelow(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(path.join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
