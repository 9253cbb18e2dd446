import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { environmentExample, generatedParts, withPart } from '../scripts/generated-documents.ts';
import { configVariables, parseConfig, Secret } from '../src/config.ts';
import { Problem } from '../src/core/problem.ts';

const long = 'x'.repeat(40);

function refusalOf(environment: Record<string, string>): Problem {
  try {
    parseConfig(environment);
  } catch (error) {
    if (error instanceof Problem) return error;
  }
  throw new Error('it was accepted');
}

describe('the environment', () => {
  it('needs nothing', () => {
    expect(parseConfig({ UNRELATED: 'x' })).toEqual({
      host: '127.0.0.1',
      port: 8080,
      dataDir: './data',
      outboundAllow: [],
      logLevel: 'info',
    });
  });

  it('takes an empty variable as an absent one', () => {
    expect(parseConfig({ PORT: '', DATABASE_URL: '', LOG_LEVEL: '' })).toEqual(parseConfig({}));
  });

  it('reports everything that is wrong at once, and shows no value', () => {
    const problem = refusalOf({
      PORT: '99999',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://hub:hunter2@db/hub',
      REDIS_URL: 'https://:hunter5@redis/',
      ADMIN_TOKEN: 'hunter3',
      METRICS_TOKEN: 'hunter4',
    });
    expect(problem.code).toBe('invalid-configuration');
    expect(problem.errors.map(({ path }) => path).sort()).toEqual([
      'ADMIN_TOKEN',
      'DATABASE_URL',
      'LOG_LEVEL',
      'METRICS_TOKEN',
      'PORT',
      'REDIS_URL',
      'SECRETS_KEY',
    ]);
    expect(inspect(problem) + problem.message).not.toContain('hunter');
  });

  it.each(['8080x', '-1', '1.5', '0x10', ' 80', '65536'])('PORT=%s is no port', (PORT) => {
    expect(refusalOf({ PORT }).errors).toEqual([
      { path: 'PORT', message: 'must be a whole number from 0 to 65535' },
    ]);
  });

  it('takes both files of TLS or neither, and no public URL without it', () => {
    const both = { TLS_CERT_FILE: '/etc/hub/tls.crt', TLS_KEY_FILE: '/etc/hub/tls.key' };
    expect(parseConfig(both).tls).toEqual({ certFile: '/etc/hub/tls.crt', keyFile: '/etc/hub/tls.key' });
    expect(parseConfig({ ...both, PUBLIC_URL: 'https://hub.example' }).tls).toBeDefined();
    expect(refusalOf({ TLS_CERT_FILE: 'tls.crt', PUBLIC_URL: 'http://localhost:8080' }).errors).toEqual([
      { path: 'TLS_KEY_FILE', message: 'is required with TLS_CERT_FILE' },
      { path: 'PUBLIC_URL', message: 'must be https with TLS_CERT_FILE' },
    ]);
    expect(refusalOf({ TLS_KEY_FILE: 'tls.key' }).errors).toEqual([
      { path: 'TLS_CERT_FILE', message: 'is required with TLS_KEY_FILE' },
    ]);
  });

  it.each([
    'https://hub.example',
    'https://hub.example:8443/caep',
    'http://localhost:8080',
    'http://127.0.0.1:1',
    'http://[::1]:8080',
  ])('PUBLIC_URL=%s is who the hub is', (PUBLIC_URL) => {
    expect(parseConfig({ PUBLIC_URL }).publicUrl).toBe(PUBLIC_URL);
  });

  it.each([
    'https://hub.example/',
    'https://hub.example/caep/',
    'https://hub.example?a',
    'https://hub.example#a',
    'https://u:p@hub.example',
    'http://hub.example',
    'http://localhost.example',
    'HTTPS://hub.example',
    'hub.example',
  ])('PUBLIC_URL=%s is none', (PUBLIC_URL) => {
    expect(refusalOf({ PUBLIC_URL }).errors).toMatchObject([{ path: 'PUBLIC_URL' }]);
  });

  it('on a server needs both secrets, long enough', () => {
    const DATABASE_URL = 'postgres://hub@db/hub';
    expect(refusalOf({ DATABASE_URL }).errors.map(({ path }) => path)).toEqual([
      'ADMIN_TOKEN',
      'SECRETS_KEY',
    ]);
    const short = refusalOf({ DATABASE_URL, ADMIN_TOKEN: long, SECRETS_KEY: 'x'.repeat(31) });
    expect(short.errors).toEqual([{ path: 'SECRETS_KEY', message: 'must have at least 32 characters' }]);
    const config = parseConfig({ DATABASE_URL, ADMIN_TOKEN: long, SECRETS_KEY: long });
    expect(config.databaseUrl?.reveal()).toBe(DATABASE_URL);
  });

  it('says which entries of OUTBOUND_ALLOW are none, by their place', () => {
    expect(parseConfig({ OUTBOUND_ALLOW: 'localhost:8443, 10.0.0.0/8,::1' }).outboundAllow).toHaveLength(3);
    expect(refusalOf({ OUTBOUND_ALLOW: 'a.example,https://b.example,10.0.0.1/8' }).errors).toEqual([
      {
        path: 'OUTBOUND_ALLOW',
        message: 'must list host[:port], addresses or CIDR ranges; wrong: no. 2, 3',
      },
    ]);
    expect(refusalOf({ OUTBOUND_ALLOW: 'a.example,'.repeat(1_000) }).errors).toEqual([
      { path: 'OUTBOUND_ALLOW', message: 'must list at most 1000 entries' },
    ]);
  });

  it('takes a Redis only together with a database that several nodes can share', () => {
    const server = { DATABASE_URL: 'postgres://hub@db/hub', ADMIN_TOKEN: long, SECRETS_KEY: long };
    const refused = refusalOf({ REDIS_URL: 'redis://:hunter2@redis' });
    expect(refused.errors).toMatchObject([
      { path: 'REDIS_URL', message: expect.stringContaining('DATABASE_URL') },
    ]);
    expect(inspect(refused)).not.toContain('hunter2');
    for (const REDIS_URL of ['redis://redis', 'rediss://u:p%40@redis:6380/2', 'redis://[::1]:6379']) {
      expect(parseConfig({ ...server, REDIS_URL }).redisUrl?.reveal()).toBe(REDIS_URL);
    }
    for (const REDIS_URL of ['redis:6379', 'redis://', 'redis:///0', 'REDIS://x', '/run/redis.sock']) {
      expect(refusalOf({ ...server, REDIS_URL }).errors).toMatchObject([{ path: 'REDIS_URL' }]);
    }
  });

  it.each([
    'https://hub.example',
    'https://hub.example:8443/tenant/a',
    'http://localhost:8080',
    'http://127.0.0.1',
    'http://[::1]:1',
  ])('takes PUBLIC_URL=%s as it stands', (PUBLIC_URL) => {
    expect(parseConfig({ PUBLIC_URL }).publicUrl).toBe(PUBLIC_URL);
  });

  it.each([
    'https://hub.example/',
    'https://hub.example/a/',
    'https://hub.example/a/../b',
    'https://hub.example:443',
    'https://hub.example:99999',
    'https://Hub.example',
    'https://hub.example?x',
    'https://hub.example#x',
    'https://mara@hub.example',
    'http://hub.example',
    'http://127.1',
    'hub.example',
  ])('refuses PUBLIC_URL=%s: no two parties would compare the same bytes', (PUBLIC_URL) => {
    expect(refusalOf({ PUBLIC_URL }).errors).toMatchObject([{ path: 'PUBLIC_URL' }]);
  });

  it('refuses an admin token that no Authorization header can carry', () => {
    expect(refusalOf({ ADMIN_TOKEN: `${long} ` }).errors).toMatchObject([{ path: 'ADMIN_TOKEN' }]);
    expect(refusalOf({ ADMIN_TOKEN: `${long}ü` }).errors).toMatchObject([{ path: 'ADMIN_TOKEN' }]);
  });
});

describe('a secret', () => {
  it('shows itself to nobody who does not ask for it', () => {
    const secret = new Secret('hunter2');
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }),
      inspect(secret, { showHidden: true }),
    ];
    expect(shown.join()).not.toContain('hunter2');
    expect(shown[0]).toBe('[secret]');
    expect(secret.reveal()).toBe('hunter2');
  });
});

describe('documents do not lag behind the code (npm run docs)', () => {
  const read = (file: string) => readFileSync(join(import.meta.dirname, '..', file), 'utf8');

  it('.env.example', () => {
    expect(read('.env.example')).toBe(environmentExample());
    expect(configVariables.length).toBeGreaterThan(5);
  });

  it.each(generatedParts)('$file', (part) => {
    const document = read(part.file);
    expect(document).toBe(withPart(document, part));
    expect(part.text.split('\n').length).toBeGreaterThan(8);
  });

  it('every variable says what it is for', () => {
    for (const [name, { description }] of configVariables) {
      expect(description, name).toMatch(/\.$/);
    }
  });
});
