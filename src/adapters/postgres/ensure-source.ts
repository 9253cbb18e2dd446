import { eq } from 'drizzle-orm';
import type { Change } from '../../authorization/ports.ts';
import { Problem } from '../../core/problem.ts';
import { type Source, sourceDefaults } from '../../core/source.ts';
import type { SourceId } from '../../core/vocabulary.ts';
import { insertAudit } from './audit-store.ts';
import type { Statements } from './database.ts';
import { sources } from './schema.ts';

type WantedSource = {
  readonly id: SourceId;
  /** Whether it speaks for a person; absent: as the source there is, and a new one does not. */
  readonly person: boolean | undefined;
  /** Of a new one; what is left out takes its default. */
  readonly limits?: Pick<Source, 'eventTypes' | 'subjectIssuers'>;
  /** Whose credential asks for it. */
  readonly madeFor: string;
  /** The member of the request that is wrong when it differs. */
  readonly blamed: 'person' | 'source';
};

/**
 * The source that a credential speaks for, made where there is none of that name.
 *
 * @throws Problem `conflict` when the source there is differs in `person`.
 */
export async function ensureSource(
  tx: Statements,
  { id, person, limits = {}, madeFor, blamed }: WantedSource,
  { actor, atMs, correlationId }: Change,
): Promise<void> {
  const added = await tx
    .insert(sources)
    .values({
      ...sourceDefaults,
      id,
      person: person ?? sourceDefaults.person,
      eventTypes: limits.eventTypes === undefined ? null : [...limits.eventTypes],
      subjectIssuers: limits.subjectIssuers === undefined ? null : [...limits.subjectIssuers],
      createdAtMs: atMs,
    })
    .onConflictDoNothing()
    .returning({ id: sources.id });
  if (added.length > 0) {
    const detail = {
      made_for: madeFor,
      person: person ?? sourceDefaults.person,
      ...(limits.eventTypes && { event_types: limits.eventTypes }),
      ...(limits.subjectIssuers && { subject_issuers: limits.subjectIssuers }),
    };
    const base = { atMs, actor, ...(correlationId === undefined ? {} : { correlationId }) };
    return insertAudit(tx, [{ ...base, action: 'source.added', target: id, outcome: 'done', detail }]);
  }
  const [there] = await tx.select({ person: sources.person }).from(sources).where(eq(sources.id, id));
  if (person === undefined || there?.person === person) return;
  throw new Problem(
    'conflict',
    `The source "${id}" is there and speaks ${person ? 'for no' : 'for a'} person.`,
    {
      hint: `${blamed === 'person' ? 'Leave "person" out, name' : 'Name'} another source, or change that one with PUT /v1/sources.`,
      errors: [{ path: `/${blamed}`, message: 'differs in whom it speaks for' }],
    },
  );
}
