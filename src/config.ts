import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { TlsFiles } from './adapters/system/tls-files.ts';
import { adminTokenCharactersMin } from './authorization/bootstrap.ts';
import { secretsKeyCharactersMin } from './authorization/keyring.ts';
import { type AllowEntry, allowEntriesMax, parseOutboundAllow } from './core/outbound-allow.ts';
import { Problem, type FieldError } from './core/problem.ts';
import { logLevels } from './http/log.ts';

/** A value that no log, error or debugger shows by accident. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** As `URL` writes it, so that everybody who compares compares the same bytes: no query, fragment, user or slash at the end. */
const publicUrlPattern =
  '^(https://[a-z0-9.-]+|http://(localhost|127(\\.[0-9]{1,3}){3}|\\[::1\\]))(:[1-9][0-9]{0,4})?(/[A-Za-z0-9._~-]+)*$';

const secret = (description: string, charactersMin: number) =>
  Type.String({ description, minLength: charactersMin, secret: true });

/** Every variable there is. `default` is what holds when it is absent or empty. */
export const configSchema = Type.Object({
  HOST: Type.String({
    description:
      'Address to listen on. Anything but loopback lets others reach the hub: set TLS_CERT_FILE, or put TLS in front.',
    default: '127.0.0.1',
  }),
  PORT: Type.Integer({
    description: 'Port to listen on; 0 takes a free one and says which.',
    minimum: 0,
    maximum: 65_535,
    default: 8080,
  }),
  TLS_CERT_FILE: Type.Optional(
    Type.String({
      description:
        'Certificate in PEM, the intermediate ones after it: the hub then speaks https only, TLS 1.2 or later, on its port. A renewed file is taken within seconds, without a restart. Absent: plain http.',
    }),
  ),
  TLS_KEY_FILE: Type.Optional(
    Type.String({
      description: 'Private key of TLS_CERT_FILE in PEM, without a passphrase. Both are set, or neither.',
    }),
  ),
  PUBLIC_URL: Type.Optional(
    Type.String({
      description:
        'What others reach the hub by, and `iss` of all its SETs: `https://hub.example`, or with a path that the proxy in front takes off (except below `/.well-known`). `http` for loopback only. Absent: `http://localhost:PORT`, or `https` with TLS_CERT_FILE, which no receiver elsewhere can use.',
      pattern: publicUrlPattern,
    }),
  ),
  ACCEPT_NEW_ISSUER: Type.Optional(
    Type.String({
      description:
        'The new PUBLIC_URL once more, where it changes while there are streams: without it, or `serve --accept-new-issuer`, the hub does not start, for receivers would refuse what it sends (see docs/streams.md).',
      pattern: publicUrlPattern,
    }),
  ),
  DATA_DIR: Type.String({
    description:
      'Directory of the embedded database, of the admin token and of the secrets key. One process holds it.',
    default: './data',
  }),
  DATABASE_URL: Type.Optional(
    Type.String({
      description:
        'PostgreSQL 14 or later, such as `postgres://hub:…@db/hub`. Absent: the embedded database in DATA_DIR.',
      pattern: '^postgres(ql)?://',
      secret: true,
    }),
  ),
  REDIS_URL: Type.Optional(
    Type.String({
      description:
        'Redis 6.2 or later for several nodes, such as `redis://:…@redis:6379/0`, or `rediss://…` over TLS: it carries wake-ups between nodes and scheduled work. Only with DATABASE_URL; absent, PostgreSQL does both.',
      pattern: '^rediss?://[^/?#]',
      secret: true,
    }),
  ),
  ADMIN_TOKEN: Type.Optional(
    Type.String({
      description:
        'Secret of the first administrator. Required with DATABASE_URL; without, one is made in DATA_DIR/admin-token.',
      pattern: `^[A-Za-z0-9._~+/=-]{${adminTokenCharactersMin},}$`,
      secret: true,
    }),
  ),
  SECRETS_KEY: Type.Optional(
    secret(
      'What all keys that the hub needs are derived from; the same on every node. Required with DATABASE_URL; without, one is made in DATA_DIR/secrets-key.',
      secretsKeyCharactersMin,
    ),
  ),
  METRICS_TOKEN: Type.Optional(
    secret(
      'Bearer token for /metrics. Absent: /metrics takes API tokens of scope `admin` or `points.read`.',
      16,
    ),
  ),
  OUTBOUND_ALLOW: Type.Optional(
    Type.String({
      description:
        'What the hub may send requests to although it is not public: comma-separated `host[:port]`, addresses or CIDR ranges. A host opens private and loopback addresses, an address or range itself. Loopback hosts that are listed may be plain http.',
    }),
  ),
  EXTRA_CA_FILE: Type.Optional(
    Type.String({
      description:
        'Certificates in PEM that are trusted for requests of the hub, beside the public ones that come with Node.',
    }),
  ),
  LOG_LEVEL: Type.Enum([...logLevels], {
    description: 'Lines below this level are not written.',
    default: 'info',
  }),
});

type Variables = Static<typeof configSchema>;
type Annotated = TSchema & {
  readonly type?: string;
  readonly description?: string;
  readonly default?: string | number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly secret?: boolean;
};

export const configVariables: readonly (readonly [name: string, schema: Annotated])[] =
  Object.entries<Annotated>(configSchema.properties);

export type Config = {
  readonly host: Variables['HOST'];
  readonly port: Variables['PORT'];
  /** Absent: plain http. */
  readonly tls?: TlsFiles;
  readonly publicUrl?: string;
  /** The one that may be new to receivers of streams; `true`: whichever it is. */
  readonly acceptNewIssuer?: string | true;
  readonly dataDir: Variables['DATA_DIR'];
  readonly databaseUrl?: Secret;
  readonly redisUrl?: Secret;
  readonly adminToken?: Secret;
  readonly secretsKey?: Secret;
  readonly metricsToken?: Secret;
  /** Empty: nothing but public addresses. */
  readonly outboundAllow: readonly AllowEntry[];
  readonly extraCaFile?: string;
  readonly logLevel: Variables['LOG_LEVEL'];
};

export type Environment = { readonly [name: string]: string | undefined };

/** @throws Problem `invalid-configuration` that names every bad variable at once, without their values. */
export function parseConfig(environment: Environment): Config {
  const errors: FieldError[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, schema] of configVariables) {
    const value = valueOf(schema, environment[name]);
    if (value === undefined) continue;
    values[name] = value;
    errors.push(...mistakes(name, schema, value));
  }
  const variables = values as Variables;
  errors.push(
    ...missing(variables),
    ...badEntries(variables),
    ...rewritten(variables),
    ...halfOfTls(variables),
  );
  if (errors.length > 0) {
    const list = errors.map(({ path, message }) => `${path} ${message}`).join('; ');
    throw new Problem('invalid-configuration', `The environment is not valid: ${list}.`, {
      hint: 'docs/operations.md describes every variable.',
      errors,
    });
  }
  return toConfig(variables);
}

/** An empty variable is an absent one: that is how container files leave them out. */
function valueOf(schema: Annotated, text: string | undefined): unknown {
  if (text === undefined || text === '') return schema.default;
  return schema.type === 'integer' && /^[0-9]{1,9}$/.test(text) ? Number(text) : text;
}

function mistakes(name: string, schema: Annotated, value: unknown): readonly FieldError[] {
  const [error] = Compile(schema).Errors(value);
  return error === undefined ? [] : [{ path: name, message: wordingOf(schema, error.message) }];
}

function wordingOf(schema: Annotated, message: string): string {
  if (schema.minLength !== undefined) return `must have at least ${schema.minLength} characters`;
  if (schema.pattern === publicUrlPattern) {
    return 'must be https://host[:port][/path] (http for loopback only), without a slash at the end, a query or a fragment';
  }
  if (schema.pattern !== undefined) return `must match ${schema.pattern}`;
  if ('enum' in schema) return `must be one of ${(schema.enum as readonly string[]).join(', ')}`;
  if (schema.type === 'integer') return 'must be a whole number from 0 to 65535';
  return message;
}

/** A hub on a server may have several nodes, and nobody looks into their directories. */
function missing({ DATABASE_URL, REDIS_URL, ADMIN_TOKEN, SECRETS_KEY }: Variables): readonly FieldError[] {
  if (DATABASE_URL === undefined) {
    const message = 'is for several nodes, which need DATABASE_URL; the embedded database has one';
    return REDIS_URL === undefined ? [] : [{ path: 'REDIS_URL', message }];
  }
  return Object.entries({ ADMIN_TOKEN, SECRETS_KEY })
    .filter(([, value]) => value === undefined)
    .map(([name]) => ({
      path: name,
      message: 'is required with DATABASE_URL; try: openssl rand -base64 48',
    }));
}

/** Names the places, not what stands there. */
function badEntries({ OUTBOUND_ALLOW }: Variables): readonly FieldError[] {
  if (OUTBOUND_ALLOW === undefined) return [];
  const entries = parseOutboundAllow(OUTBOUND_ALLOW);
  const path = 'OUTBOUND_ALLOW';
  if (entries.length > allowEntriesMax) {
    return [{ path, message: `must list at most ${allowEntriesMax} entries` }];
  }
  const bad = entries.flatMap((entry, index) => (entry === undefined ? [index + 1] : []));
  if (bad.length === 0) return [];
  return [{ path, message: `must list host[:port], addresses or CIDR ranges; wrong: no. ${bad.join(', ')}` }];
}

/** A host that `URL` writes otherwise (a default port, `127.1`) would be another issuer to whoever parses it. */
function rewritten({ PUBLIC_URL: text }: Variables): readonly FieldError[] {
  if (text === undefined || !new RegExp(publicUrlPattern).test(text)) return [];
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const written = url && (url.pathname === '/' ? url.origin : url.origin + url.pathname);
  if (written === text) return [];
  return [
    { path: 'PUBLIC_URL', message: written === undefined ? 'is not a URL' : `must be written ${written}` },
  ];
}

/** With TLS nothing else is spoken. */
function halfOfTls({ TLS_CERT_FILE, TLS_KEY_FILE, PUBLIC_URL }: Variables): readonly FieldError[] {
  if (TLS_CERT_FILE === undefined && TLS_KEY_FILE === undefined) return [];
  const rows = [
    [TLS_CERT_FILE === undefined, 'TLS_CERT_FILE', 'is required with TLS_KEY_FILE'],
    [TLS_KEY_FILE === undefined, 'TLS_KEY_FILE', 'is required with TLS_CERT_FILE'],
    [PUBLIC_URL?.startsWith('http:') === true, 'PUBLIC_URL', 'must be https with TLS_CERT_FILE'],
  ] as const;
  return rows.filter(([isWrong]) => isWrong).map(([, path, message]) => ({ path, message }));
}

function toConfig(given: Variables): Config {
  const { PUBLIC_URL, ACCEPT_NEW_ISSUER, TLS_CERT_FILE, TLS_KEY_FILE, EXTRA_CA_FILE } = given;
  return {
    host: given.HOST,
    port: given.PORT,
    ...(TLS_CERT_FILE === undefined || TLS_KEY_FILE === undefined
      ? {}
      : { tls: { certFile: TLS_CERT_FILE, keyFile: TLS_KEY_FILE } }),
    ...(PUBLIC_URL === undefined ? {} : { publicUrl: PUBLIC_URL }),
    ...(ACCEPT_NEW_ISSUER === undefined ? {} : { acceptNewIssuer: ACCEPT_NEW_ISSUER }),
    dataDir: given.DATA_DIR,
    ...(given.DATABASE_URL === undefined ? {} : { databaseUrl: new Secret(given.DATABASE_URL) }),
    ...(given.REDIS_URL === undefined ? {} : { redisUrl: new Secret(given.REDIS_URL) }),
    ...(given.ADMIN_TOKEN === undefined ? {} : { adminToken: new Secret(given.ADMIN_TOKEN) }),
    ...(given.SECRETS_KEY === undefined ? {} : { secretsKey: new Secret(given.SECRETS_KEY) }),
    ...(given.METRICS_TOKEN === undefined ? {} : { metricsToken: new Secret(given.METRICS_TOKEN) }),
    outboundAllow: parseOutboundAllow(given.OUTBOUND_ALLOW ?? '').filter((entry) => entry !== undefined),
    ...(EXTRA_CA_FILE === undefined ? {} : { extraCaFile: EXTRA_CA_FILE }),
    logLevel: given.LOG_LEVEL,
  };
}
