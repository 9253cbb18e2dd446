import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configSchema } from '../../src/config.ts';

const hubVariables = Object.keys(configSchema.properties);
const root = path.resolve(import.meta.dirname, '../..');

type Instruction = { readonly name: string; readonly rest: string };
type Service = {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly build?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
};
type Compose = {
  readonly services: Readonly<Record<'hub' | 'postgres' | 'redis', Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};

let instructions: readonly Instruction[];
let compose: Compose;
let manifest: { readonly engines: { readonly node: string }; readonly bin: Record<string, string> };

beforeAll(async () => {
  instructions = parseDockerfile(await readText('Dockerfile'));
  compose = parse(await readText('docker-compose.yml')) as Compose;
  manifest = JSON.parse(await readText('package.json')) as typeof manifest;
});

describe('Dockerfile', () => {
  it('builds and runs on one Node 24 image, which engines admits', () => {
    const images = valuesOf('FROM').map((rest) => rest.split(' ')[0]);
    expect(images).toHaveLength(2);
    expect(new Set(images)).toEqual(new Set(['node:24-bookworm-slim']));
    expect(24).toBeGreaterThanOrEqual(Number(/^>=(\d+)\./.exec(manifest.engines.node)?.[1]));
  });

  it('starts the program that package.json names, as a user who is not root', () => {
    const stage = lastStage();
    const user = stage.findIndex(({ name }) => name === 'USER');
    expect(stage[user]?.rest).toBe('node');
    expect(stage.slice(user).map(({ name }) => name)).not.toContain('RUN');
    expect(JSON.parse(valueOf('ENTRYPOINT'))).toEqual(['node', manifest.bin['caep-hub']]);
    expect(JSON.parse(valueOf('CMD'))).toEqual(['serve']);
  });

  it('copies only what exists and what .dockerignore lets through', async () => {
    const context = (await readText('.dockerignore')).split('\n').filter((line) => line.startsWith('!'));
    const copied = instructions
      .filter(({ name, rest }) => name === 'COPY' && !rest.startsWith('--from='))
      .flatMap(({ rest }) => rest.split(' ').slice(0, -1));
    expect(copied.length).toBeGreaterThan(4);
    expect(copied.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
    expect(context.toSorted()).toEqual(copied.map((file) => `!${file}`).toSorted());
  });

  it('asks /healthz for its health with Node itself, and keeps the data on a volume', () => {
    const health = JSON.parse(valueOf('HEALTHCHECK').replace(/^.*? CMD /, '')) as string[];
    expect(health[0]).toBe('node');
    expect(health.at(-1)).toContain('/healthz');
    expect(valueOf('VOLUME')).toBe(environment()['DATA_DIR']);
    expect(valueOf('EXPOSE')).toBe(environment()['PORT']);
    expect(environment()['HOST']).toBe('0.0.0.0');
  });

  it('sets only variables that the hub reads', () => {
    expect(Object.keys(environment()).filter((name) => !hubVariables.includes(name))).toEqual([]);
  });
});

describe('docker-compose.yml', () => {
  it('holds the hub, PostgreSQL 17, for whose health the hub waits, and Redis 7', () => {
    const { hub, postgres, redis, ...others } = compose.services;
    expect(others).toEqual({});
    expect(hub.build).toBe('.');
    expect(postgres.image).toMatch(/^postgres:17\b/);
    expect(redis.image).toMatch(/^redis:7\b/);
    expect(postgres.healthcheck?.test[0]).toBe('CMD');
    expect(redis.healthcheck?.test[0]).toBe('CMD');
    expect(hub.depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
  });

  it('sets only variables that the hub reads', () => {
    const names = Object.keys(compose.services.hub.environment ?? {});
    expect(names).toContain('DATABASE_URL');
    expect(names.filter((name) => !hubVariables.includes(name))).toEqual([]);
  });

  it('sends the hub to its own Redis, for which it need not wait and which evicts nothing', () => {
    const { hub, redis } = compose.services;
    const url = new URL(hub.environment?.['REDIS_URL'] ?? '');
    expect([url.protocol, url.hostname, url.password]).toEqual(['redis:', 'redis', '']);
    expect(Object.keys(hub.depends_on ?? {})).not.toContain('redis');
    expect(redis.command?.join(' ')).toMatch(/ --save {2}--maxmemory-policy noeviction$/);
    expect([redis.ports, redis.volumes]).toEqual([undefined, undefined]);
  });

  it('carries no secret: each is required from the environment', () => {
    const { hub, postgres } = compose.services;
    expect(hub.environment?.['ADMIN_TOKEN']).toMatch(/^\$\{ADMIN_TOKEN:\?.+\}$/);
    expect(hub.environment?.['SECRETS_KEY']).toMatch(/^\$\{SECRETS_KEY:\?.+\}$/);
    expect(postgres.environment?.['POSTGRES_PASSWORD']).toMatch(/^\$\{POSTGRES_PASSWORD:\?.+\}$/);
    const [database] = /\$\{POSTGRES_PASSWORD:\?[^}]+\}/.exec(hub.environment?.['DATABASE_URL'] ?? '') ?? [];
    expect(database).toBe(postgres.environment?.['POSTGRES_PASSWORD']);
  });

  it('reaches the hub on the port and the volume that its image declares', () => {
    const { ports, volumes } = compose.services.hub;
    expect(ports).toEqual([`127.0.0.1:8080:${valueOf('EXPOSE')}`]);
    expect(volumes).toEqual([`hub:${valueOf('VOLUME')}`]);
    expect(Object.keys(compose.volumes)).toEqual(['hub', 'postgres']);
  });
});

function readText(file: string): Promise<string> {
  return readFile(path.join(root, file), 'utf8');
}

/** One instruction a row, continuation lines joined, comments left out. */
function parseDockerfile(text: string): Instruction[] {
  const rows = text.replace(/\\\n\s*/g, '').split('\n');
  return rows.flatMap((row) => {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(row) ?? [];
    return name !== undefined && rest !== undefined ? [{ name, rest }] : [];
  });
}

function lastStage(): readonly Instruction[] {
  return instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
}

function valuesOf(wanted: string): string[] {
  return instructions.filter(({ name }) => name === wanted).map(({ rest }) => rest);
}

function valueOf(wanted: string): string {
  return valuesOf(wanted).join('\n');
}

function environment(): Record<string, string> {
  const pairs = valuesOf('ENV').flatMap((rest) => rest.split(' '));
  return Object.fromEntries(
    pairs.map((pair): [string, string] => [
      pair.slice(0, pair.indexOf('=')),
      pair.slice(pair.indexOf('=') + 1),
    ]),
  );
}
