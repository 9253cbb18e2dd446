import { matchMembers, type Match } from './revocation.ts';

/** Canonical JSON of a match: members in one order, so that equal matches have equal keys. */
export function matchKey(match: Match): string {
  let members = '';
  for (const member of matchMembers) {
    const value = match[member];
    if (value === undefined) continue;
    members += `${members === '' ? '' : ','}"${member}":${JSON.stringify(value)}`;
  }
  return `{${members}}`;
}

/** The members given, in one order. */
export const membersOf = (match: Match): readonly (typeof matchMembers)[number][] =>
  matchMembers.filter((member) => match[member] !== undefined);

/** Everybody of an issuer, or of a trust domain: nothing narrower is named. */
export const namesWholeIssuer = (match: Match): boolean =>
  membersOf(match).every(
    (member) => member === 'iss' || (member === 'workload' && isTrustDomain(match[member])),
  );

const isTrustDomain = (workload = ''): boolean => /^spiffe:\/\/[^/]+\/\*$/.test(workload);

/** The conjunction of both; nothing when they name different values of one member. */
export function mergeMatches(first: Match, second: Match): Match | undefined {
  const merged: { -readonly [Member in keyof Match]: Match[Member] } = { ...first };
  for (const member of matchMembers) {
    const theirs = second[member];
    if (theirs === undefined) continue;
    if (merged[member] !== undefined && merged[member] !== theirs) return undefined;
    merged[member] = theirs;
  }
  return merged;
}

/** Whether every token that `narrow` names is also named by `broad`. */
export const covers = (broad: Match, narrow: Match): boolean =>
  membersOf(broad).every((member) => {
    const [wide, close] = [broad[member], narrow[member]];
    return wide === close || (member === 'workload' && isBelow(close, wide));
  });

/** A workload under a pattern: `spiffe://td/a/b`, and `spiffe://td/a/b/*`, under `spiffe://td/a/*`. */
const isBelow = (workload: string | undefined, pattern: string | undefined): boolean =>
  workload !== undefined &&
  pattern !== undefined &&
  pattern.endsWith('/*') &&
  workload.startsWith(pattern.slice(0, -1));
