import type { LinkChange } from './decision.ts';
import { isProblem } from './problem.ts';
import type { Reaction } from './reactions.ts';
import type { Statement } from './signal.ts';
import { parseSubject } from './subject.ts';
import type { Identifier } from './vocabulary.ts';

/** Formats whose values change hands, and the member that holds the value. @see RISC 1.0 §2.5, §2.6 */
const changing = { email: 'email', phone_number: 'phone_number', phone: 'phone_number' } as const;

/** What becomes of the identifier; nothing for subjects that these events do not speak of. */
export function linkChangeOf(statement: Statement, reaction: Reaction): readonly LinkChange[] {
  const format = statement.subject['format'];
  const [identifier] = statement.query.parts.flatMap(({ identifiers }) => identifiers);
  if (reaction.link === undefined || identifier === undefined || !isChanging(format)) return [];
  if (reaction.link === 'forgotten') return [{ kind: 'forgotten', identifier }];
  const to = newIdentifier(format, statement.data['new-value']);
  return to === undefined || to === identifier ? [] : [{ kind: 'renamed', from: identifier, to }];
}

const isChanging = (format: unknown): format is keyof typeof changing =>
  typeof format === 'string' && Object.hasOwn(changing, format);

/** `undefined` when the event does not tell the new value, or tells one that is no such identifier. */
function newIdentifier(format: keyof typeof changing, value: unknown): Identifier | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return parseSubject({ format, [changing[format]]: value }).parts[0]?.identifiers[0];
  } catch (thrown) {
    if (isProblem(thrown)) return undefined;
    throw thrown;
  }
}
