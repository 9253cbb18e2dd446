import { describe, expect, it } from 'vitest';
import { thoseNamingTheCaller, whatIsDenied } from '../../src/authorization/own-revocations.ts';
import { type CheckableEntry, matches } from '../../src/core/match.ts';
import type { Match } from '../../src/core/revocation.ts';

const now = 1_763_764_000;
const iss = 'https://hub.example/oauth';
const caller = { iss, sub: 'receiver', client_id: 'receiver', jkt: 'key', jti: 'one', iat: now };

const anEntry = (match: Match, more: Partial<CheckableEntry> = {}): CheckableEntry => ({
  id: 'rev_1',
  match,
  reach: 'chain',
  effect: 'deny',
  ...more,
});

describe('DESIGN §9: the hub cannot cut its own hands off', () => {
  it.each([
    [{ iss }, 0],
    [{ workload: 'spiffe://hub.example/*' }, 0],
    [{ iss, workload: 'spiffe://hub.example/a' }, 0],
    [{ iss, client_id: 'receiver' }, 1],
    [{ iss, sub: 'receiver' }, 1],
    [{ jkt: 'key' }, 1],
    [{ iss, jti: 'one' }, 1],
  ])('of entries that match, %j names the caller: %i', (match, honoured) => {
    expect(thoseNamingTheCaller([anEntry(match)])).toHaveLength(honoured);
  });
});

describe('who gets no token', () => {
  const denied = (entry: CheckableEntry) =>
    whatIsDenied({ lookup: (context) => [entry].filter((one) => matches(one, context, now)) }, caller, now);

  it.each([
    ['a denied client', anEntry({ iss, client_id: 'receiver' }), 'client'],
    ['a denied key', anEntry({ jkt: 'key' }), 'key'],
    [
      'one whose tokens were killed this second',
      anEntry({ iss, client_id: 'receiver' }, { cutOff: now }),
      'client',
    ],
  ])('%s', (_name, entry, what) => {
    expect(denied(entry)).toBe(what);
  });

  it.each([
    ['another client', anEntry({ iss, client_id: 'other' })],
    ['a whole issuer', anEntry({ iss })],
    ['whose tokens were killed before', anEntry({ iss, client_id: 'receiver' }, { cutOff: now - 1 })],
    ['who is only watched', anEntry({ iss, client_id: 'receiver' }, { effect: 'observe' })],
  ])('but not %s', (_name, entry) => {
    expect(denied(entry)).toBeUndefined();
  });
});
