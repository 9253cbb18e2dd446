import { describe, expect, it } from 'vitest';
import { decide } from '../../../src/core/decide.ts';
import { checkEventData, findEventType } from '../../../src/core/events/event-types.ts';
import type { JsonObject } from '../../../src/core/vocabulary.ts';
import { aMemory, aResolution, aStatement, aWorld } from '../../core/builders.ts';

const disabled = { format: 'iss_sub', iss: 'https://idp.example.com/', sub: '7375626A656374' };
const joe = { format: 'iss_sub', iss: 'https://idp.example.com/3456790/', sub: 'joe.smith@example.com' };

/** Subjects and events of the specification's own SETs, verbatim. */
const examples: readonly (readonly [
  section: string,
  event: string,
  subject: JsonObject,
  data: JsonObject,
  follows: object,
])[] = [
  [
    '§2.3',
    'account-disabled',
    disabled,
    { reason: 'hijacking' },
    { outcome: 'applied', puts: [{ effect: 'deny', match: { iss: disabled.iss, sub: disabled.sub } }] },
  ],
  [
    '§2.5',
    'identifier-changed',
    { format: 'email', email: 'john.doe@example.com' },
    { 'new-value': 'john.roe@example.com' },
    {
      outcome: 'recorded',
      links: [{ kind: 'renamed', from: 'email:john.doe@example.com', to: 'email:john.roe@example.com' }],
    },
  ],
  [
    '§2.6',
    'identifier-recycled',
    { format: 'email', email: 'foo@example.com' },
    {},
    { outcome: 'recorded', links: [{ kind: 'forgotten', identifier: 'email:foo@example.com' }] },
  ],
  [
    '§2.7',
    'credential-compromise',
    joe,
    { credential_type: 'password' },
    // Without a time of its own the event is taken as of its receipt: ceil(1508184845) + 5 s of skew.
    {
      outcome: 'applied',
      puts: [{ effect: 'deny', match: { iss: joe.iss, sub: joe.sub }, cutOff: 1508184850 }],
    },
  ],
];

describe('RISC 1.0 §2: the examples of the specification', () => {
  it.each(examples)('%s %s', (_, event, subject, data, follows) => {
    const type = findEventType(`https://schemas.openid.net/secevent/risc/event-type/${event}`);
    expect(type && checkEventData(type, data)).toEqual([]);
    const statement = aStatement({ event, subject, data, eventTime: 1508184845 });
    const received = aWorld({ nowMs: 1508184845_000 });
    expect(decide(statement, aResolution(statement), aMemory(), received)).toMatchObject(follows);
  });

  it('§2.3: a disabled account has no cut-off, for it stays so until it is enabled', () => {
    const statement = aStatement({ event: 'account-disabled', subject: disabled });
    const { puts } = decide(statement, aResolution(statement), aMemory(), aWorld());
    expect(puts[0]).not.toHaveProperty('cutOff');
    expect(puts[0]).not.toHaveProperty('lapsesAt');
  });

  it.each(['account-purged', 'account-enabled', 'opt-in', 'recovery-activated', 'sessions-revoked'])(
    '%s has no attributes, and none is required',
    (event) => {
      const type = findEventType(event);
      expect(type && checkEventData(type, {})).toEqual([]);
    },
  );
});
