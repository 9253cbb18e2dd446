import { Type, type Static, type TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { adminTokenCharactersMin } from './authorization/bootstrap.ts';
import { secretsKeyCharactersMin } from './authorization/keyring.ts';
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

const secret = (description: string, charactersMin: number) =>
  Type.String({ description, minLength: charactersMin, secret: true });

const onThisMachine = String.raw`http://(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])`;
const anywhere = String.raw`https://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])`;
const publicUrlShape = String.raw`^(?:${anywhere}|${onThisMachine})(?::\d{1,5})?(?:/[A-Za-z0-9._~-]+)*$`;

/** Every variable there is. `default` is what holds when it is absent or empty. */
export const configSchema = Type.Object({
  HOST: Type.String({
    description: 'Address to listen on. Anything but loopback lets others reach the hub: put TLS in front.',
    default: '127.0.0.1',
  }),
  PORT: Type.Integer({
    description: 'Port to listen on; 0 takes a free one and says which.',
    minimum: 0,
    maximum: 65_535,
    default: 8080,
  }),
  PUBLIC_URL: Type.Optional(
    Type.String({
      description:
        'Where others reach the hub, and its name as an issuer: `https`, or `http` on this machine, without query, fragment and trailing slash. Absent: `http://localhost:PORT`. The same on every node.',
      pattern: publicUrlShape,
      wording:
        'must be an https URL, or an http URL of this machine, without query, fragment and trailing slash',
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
  readonly wording?: string;
  readonly secret?: boolean;
};

export const configVariables: readonly (readonly [name: string, schema: Annotated])[] =
  Object.entries<Annotated>(configSchema.properties);

export type Config = {
  readonly host: Variables['HOST'];
  readonly port: Variables['PORT'];
  readonly publicUrl?: string;
  readonly dataDir: Variables['DATA_DIR'];
  readonly databaseUrl?: Secret;
  readonly adminToken?: Secret;
  readonly secretsKey?: Secret;
  readonly metricsToken?: Secret;
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
  errors.push(...missing(variables));
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
  if (schema.wording !== undefined) return schema.wording;
  if (schema.minLength !== undefined) return `must have at least ${schema.minLength} characters`;
  if ('pattern' in schema) return `must match ${String(schema.pattern)}`;
  if ('enum' in schema) return `must be one of ${(schema.enum as readonly string[]).join(', ')}`;
  if (schema.type === 'integer') return 'must be a whole number from 0 to 65535';
  return message;
}

/** A hub on a server may have several nodes, and nobody looks into their directories. */
function missing({ DATABASE_URL, ADMIN_TOKEN, SECRETS_KEY }: Variables): readonly FieldError[] {
  if (DATABASE_URL === undefined) return [];
  return Object.entries({ ADMIN_TOKEN, SECRETS_KEY })
    .filter(([, value]) => value === undefined)
    .map(([name]) => ({
      path: name,
      message: 'is required with DATABASE_URL; try: openssl rand -base64 48',
    }));
}

function toConfig(variables: Variables): Config {
  const { HOST, PORT, PUBLIC_URL, DATA_DIR, DATABASE_URL, LOG_LEVEL } = variables;
  const { ADMIN_TOKEN, SECRETS_KEY, METRICS_TOKEN } = variables;
  return {
    host: HOST,
    port: PORT,
    ...(PUBLIC_URL === undefined ? {} : { publicUrl: PUBLIC_URL }),
    dataDir: DATA_DIR,
    ...(DATABASE_URL === undefined ? {} : { databaseUrl: new Secret(DATABASE_URL) }),
    ...(ADMIN_TOKEN === undefined ? {} : { adminToken: new Secret(ADMIN_TOKEN) }),
    ...(SECRETS_KEY === undefined ? {} : { secretsKey: new Secret(SECRETS_KEY) }),
    ...(METRICS_TOKEN === undefined ? {} : { metricsToken: new Secret(METRICS_TOKEN) }),
    logLevel: LOG_LEVEL,
  };
}
