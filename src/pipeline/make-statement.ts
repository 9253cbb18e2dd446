import { createHash } from 'node:crypto';
import { requireAllowed } from '../core/decide-limits.ts';
import {
  checkEventData,
  findEventType,
  nearestEventTypes,
  withDefaults,
} from '../core/events/event-types.ts';
import type { EventType } from '../core/events/event-type.ts';
import { type FieldError, isProblem, Problem } from '../core/problem.ts';
import type { Statement } from '../core/signal.ts';
import { parseSubject } from '../core/subject.ts';
import { refuseFaultyJson } from '../core/text.ts';
import type { Millis } from '../core/vocabulary.ts';
import type { MakeStatement, SaidSignal } from './ports.ts';

/** Where in the caller's input the parts of a statement stand, as JSON pointers. */
const usualPaths = { event: '/event', subject: '/subject', data: '/data' } as const;

/**
 * Turns what a caller said at one of our own doors into a statement: event type, members and subject are checked, what
 * people may leave out is filled in.
 *
 * @see MakeStatement
 */
export function createMakeStatement(options: {
  readonly nowMs: () => Millis;
  readonly newId: (prefix: 'txn') => string;
  /** The issuer meant where a subject leaves `iss` out. */
  readonly onlyIssuer: () => string | undefined;
}): MakeStatement {
  return (said) => {
    const paths = { ...usualPaths, ...said.paths };
    const type = requireEventType(said.event, paths.event);
    if (said.data !== undefined) refuseFaultyJson(said.data, paths.data);
    const data = said.relayed === true ? (said.data ?? {}) : withDefaults(type, said.data ?? {});
    const errors = checkEventData(type, data);
    if (errors.length > 0) throw wrongData(type, errors, paths.data);
    const only = said.relayed === true ? undefined : options.onlyIssuer();
    const context = only === undefined ? {} : { defaultIssuer: only };
    const query = below(paths.subject, () => parseSubject(said.subject, context));
    const receivedAtMs = options.nowMs();
    const statement: Statement = {
      ...spokenBy(said),
      bodySha256: createHash('sha256')
        .update(said.sameness ?? said.body)
        .digest(),
      eventType: type.uri,
      subject: said.subject,
      query,
      data,
      eventTime: said.eventTime ?? timeIn(data['event_timestamp']) ?? receivedAtMs / 1_000,
      txn: said.txn ?? options.newId('txn'),
      receivedAtMs,
    };
    requireAllowed(statement);
    return statement;
  };
}

const spokenBy = ({
  source,
  actor,
  body,
  externalId,
  confidence,
  reason,
  correlationId,
  relayed,
}: SaidSignal) => ({
  source,
  actor,
  body,
  ...(externalId === undefined ? {} : { externalId }),
  ...(confidence === undefined ? {} : { confidence }),
  ...(reason === undefined ? {} : { reason }),
  ...(correlationId === undefined ? {} : { correlationId }),
  ...(relayed === undefined ? {} : { relayed }),
});

function requireEventType(event: string, path: string): EventType {
  const type = findEventType(event);
  if (type !== undefined) return type;
  const nearest = nearestEventTypes(event);
  throw new Problem('unknown-event-type', 'There is no such event type.', {
    hint: `Did you mean ${nearest.join(', ')}? GET /v1/event-types lists all.`,
    errors: [{ path, message: 'is unknown' }],
    extra: { nearest },
  });
}

const wrongData = (type: EventType, errors: readonly FieldError[], path: string): Problem =>
  new Problem('invalid-request', `The members of ${type.name} are not as ${type.section} has them.`, {
    hint: 'GET /v1/event-types shows the members of each event type, with an example.',
    errors: errors.map((error) => ({ ...error, path: `${path}${error.path}` })),
  });

/** Problems about a part, with pointers into the whole. */
function below<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!isProblem(error)) throw error;
    const { code, message, hint, errors, extra } = error;
    const moved = errors.map((one) => ({ ...one, path: `${path}${one.path}` }));
    throw new Problem(code, message, {
      ...(hint === undefined ? {} : { hint }),
      errors: moved,
      extra,
      cause: error,
    });
  }
}

const timeIn = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
