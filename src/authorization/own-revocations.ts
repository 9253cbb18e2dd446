import type { CheckableEntry } from '../core/match.ts';
import type { Match } from '../core/revocation.ts';
import type { TokenContext } from '../core/token-context.ts';
import type { Seconds } from '../core/vocabulary.ts';
import { demandsOf } from '../enforcement/obligations.ts';
import type { Revocations } from './ports.ts';

/** Members that name one client, key or token, as opposed to everything of an issuer or below a path. */
const namingMembers = ['client_id', 'sub', 'jkt', 'jti', 'token_sha256'] as const satisfies (keyof Match)[];

/**
 * The hub cannot cut its own hands off: of what matches a caller of its own API it honours what names that caller, and
 * nothing broader, or one kill could lock out everybody who can lift it.
 *
 * @see DESIGN §9
 */
export const thoseNamingTheCaller = (entries: readonly CheckableEntry[]): readonly CheckableEntry[] =>
  entries.filter(({ match }) => namingMembers.some((member) => match[member] !== undefined));

/**
 * What names a client of ours at an issuer that we were before names it still: a kill must not end because the hub was
 * given another URL.
 */
export const underAllNames =
  (
    lookup: Revocations['lookup'],
    issuers: () => { readonly now: string; readonly before: readonly string[] },
  ): Revocations['lookup'] =>
  (context) => {
    const { now, before } = issuers();
    const found = lookup(context);
    if (context.iss !== now || before.length === 0) return found;
    const asBefore = before.flatMap((iss) =>
      lookup({ ...context, iss })
        .filter(({ match }) => match.iss === iss)
        .map((entry) => ({ ...entry, match: { ...entry.match, iss: now } })),
    );
    return [...found, ...asBefore];
  };

/** Whom a denial keeps from getting a token now: the client, or only the key that it came with. */
export function whatIsDenied(
  { lookup }: Pick<Revocations, 'lookup'>,
  context: TokenContext,
  nowSeconds: Seconds,
): 'client' | 'key' | undefined {
  const isDenied = (some: TokenContext): boolean =>
    demandsOf(thoseNamingTheCaller(lookup(some)), some, nowSeconds).effect === 'deny';
  const { jkt: _, ...client } = context;
  if (isDenied(client)) return 'client';
  return isDenied(context) ? 'key' : undefined;
}
