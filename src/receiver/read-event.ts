import { commonMembers, type EventType } from '../core/events/event-type.ts';
import { checkEventData } from '../core/events/event-types.ts';
import type { SetRefusal } from '../core/received-set.ts';
import { principalRoles } from '../core/subject-keys.ts';
import type { JsonObject, Seconds } from '../core/vocabulary.ts';

/**
 * The payload of an event of a known type, as it counts. Of the members that every CAEP event may have and that decide
 * nothing (`reason_admin` and the like), what is not as it should be is left out: it must not cost the kill.
 *
 * @see CAEP 1.0 §2
 */
export function readEvent(
  type: EventType,
  payload: JsonObject,
): { readonly data: JsonObject; readonly time?: Seconds } | SetRefusal {
  const { subject: _, ...said } = payload;
  const wrong = new Set(checkEventData(type, said).map(({ path }) => path.split('/')[1] ?? ''));
  const data = Object.fromEntries(
    Object.entries(said).filter(([name]) => !(wrong.has(name) && isAside(name))),
  );
  const [error] = checkEventData(type, data);
  if (error !== undefined) {
    return {
      err: 'invalid_request',
      description: `The payload is not as ${type.section} has it: ${error.path || '/'} ${error.message}.`,
    };
  }
  const time = data['event_timestamp'];
  return { data, ...(typeof time === 'number' ? { time } : {}) };
}

const isAside = (name: string): boolean => Object.hasOwn(commonMembers, name);

/** A member that the Transmitter says must be understood, and that the hub would pass over. @see SSF 1.0 §3.6 */
export function criticalNotUnderstood(subject: JsonObject, critical: readonly string[]): string | undefined {
  if (subject['format'] !== 'complex') return undefined;
  return critical.find((member) => Object.hasOwn(subject, member) && !principalRoles.has(member));
}
