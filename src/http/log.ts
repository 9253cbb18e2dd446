import type { FastifyBaseLogger } from 'fastify';
import { pino, type DestinationStream } from 'pino';

export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export type Log = FastifyBaseLogger;

/** Members that may hold secrets, wherever in a line they stand; what the code logs on purpose never does. */
const redactedPaths = ['authorization', 'dpop', 'cookie', 'secret', 'token', 'password'].flatMap((name) => [
  name,
  `*.${name}`,
  `*.*.${name}`,
]);

/** One JSON object a line. */
export function createLog(level: LogLevel, destination: DestinationStream): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time_ms":${Date.now()}`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedPaths, censor: '[redacted]' },
      serializers: { err: serializeError },
    },
    destination,
  );
}

/** Drizzle puts the parameters of a failed statement into its message, pg hangs rows on its errors: neither is logged. */
function serializeError(thrown: unknown): object {
  if (!(thrown instanceof Error)) return { message: String(thrown) };
  const { name, message, stack = '', cause } = thrown;
  const { code } = thrown as { readonly code?: unknown };
  return {
    type: name,
    message: message.split('\nparams:')[0],
    frames: stack
      .split('\n')
      .filter((line) => /^\s+at /.test(line))
      .map((line) => line.trim()),
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause: serializeError(cause) }),
  };
}
