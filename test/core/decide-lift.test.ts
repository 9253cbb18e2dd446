import { describe, expect, it } from 'vitest';
import { revocationId, signalId, standingKillId } from '../../src/core/vocabulary.ts';
import { anAgent, aRevocation, aSource, client, decided, idp, jkt, nowSeconds, uriOf } from './builders.ts';

const disabled = aRevocation({ family: 'account' });
const cutOff = nowSeconds + 10;
const standing = [standingKillId('kill_1')];

describe('DESIGN §5: opposing events', () => {
  it('account-enabled lifts what account-disabled put, and leaves a cut-off of this moment', () => {
    const memory = { familyEntries: [disabled], familyStanding: standing };
    const decision = decided({ event: 'account-enabled', memory });
    expect(decision).toMatchObject({
      outcome: 'applied',
      lifts: [disabled.id],
      standingEnds: standing,
      puts: [{ match: client, effect: 'deny', reach: 'chain', cutOff }],
      remember: { family: 'account', eventTime: nowSeconds - 30 },
      kills: false,
    });
    expect(decision.puts[0]).not.toHaveProperty('family');
  });

  it('a restriction that ends leaves nothing behind', () => {
    const restricted = aRevocation({ id: revocationId('rev_2'), effect: 'restrict', family: 'account' });
    expect(decided({ event: 'account-enabled', memory: { familyEntries: [restricted] } })).toMatchObject({
      lifts: ['rev_2'],
      puts: [],
    });
  });

  it('an account-enabled older than the newest account-disabled does nothing', () => {
    const newest = { eventType: uriOf('account-disabled'), eventTime: nowSeconds - 10 };
    const decision = decided({ event: 'account-enabled', memory: { familyEntries: [disabled], newest } });
    expect(decision).toMatchObject({ outcome: 'recorded', lifts: [], puts: [] });
    expect(decision).not.toHaveProperty('remember');
  });

  it('an account-disabled older than the newest account-enabled becomes a cut-off at its own time', () => {
    const newest = { eventType: uriOf('account-enabled'), eventTime: nowSeconds - 10 };
    const owned = [anAgent('build-runner', [{ jkt }])];
    const decision = decided({ event: 'account-disabled', memory: { newest }, resolution: { owned } });
    expect(decision.puts).toHaveLength(1);
    expect(decision.puts).toMatchObject([{ effect: 'deny', cutOff: nowSeconds - 30 + 10 }]);
    expect(decision.puts[0]).not.toHaveProperty('family');
    expect(decision).not.toHaveProperty('remember');
  });

  it('a second account-disabled, older than the first, disables as well', () => {
    const newest = { eventType: uriOf('account-disabled'), eventTime: nowSeconds - 10 };
    const { puts } = decided({ event: 'account-disabled', memory: { newest } });
    expect(puts[0]).not.toHaveProperty('cutOff');
  });

  it('fractions of a second order them, and at one and the same moment the denial stays', () => {
    const enabledAfter = (seconds: number) => {
      const newest = { eventType: uriOf('account-disabled'), eventTime: nowSeconds - 30 - seconds };
      return decided({ event: 'account-enabled', memory: { familyEntries: [disabled], newest } }).lifts;
    };
    expect(enabledAfter(-0.8)).toEqual([]);
    expect(enabledAfter(0)).toEqual([]);
    expect(enabledAfter(0.1)).toEqual([disabled.id]);
    const newest = { eventType: uriOf('account-enabled'), eventTime: nowSeconds - 30 };
    expect(decided({ event: 'account-disabled', memory: { newest } }).puts[0]).not.toHaveProperty('cutOff');
    const { remember } = decided({ event: 'account-disabled', eventTime: nowSeconds - 0.1 });
    expect(remember).toEqual({ family: 'account', eventTime: nowSeconds - 0.1 });
  });

  it('a session-revoked after a disable touches no entry', () => {
    const decision = decided({ memory: { familyEntries: [disabled] } });
    expect(decision).toMatchObject({ lifts: [], standingEnds: [] });
  });

  it('an account that was purged stays so: its entry belongs to no family', () => {
    expect(decided({ event: 'account-purged' }).puts[0]).not.toHaveProperty('family');
  });
});

describe('reactions §1: levels', () => {
  const high = aRevocation({ id: revocationId('rev_high'), cutOff: nowSeconds, family: 'risk' });
  const medium = aRevocation({ id: revocationId('rev_medium'), effect: 'step_up', family: 'risk' });
  const risk = (current_level: string, memory: object) =>
    decided({ event: 'risk-level-change', data: { current_level }, memory });

  it('LOW lifts what risk put', () => {
    expect(risk('LOW', { familyEntries: [high, medium] })).toMatchObject({
      lifts: ['rev_high', 'rev_medium'],
      puts: [],
    });
  });

  it('MEDIUM lifts the denial of HIGH and asks for a step-up', () => {
    expect(risk('MEDIUM', { familyEntries: [high, medium] })).toMatchObject({
      lifts: ['rev_high'],
      puts: [{ effect: 'step_up', family: 'risk' }],
    });
  });

  it('MEDIUM at the very moment of another level asks for a step-up and lifts no denial', () => {
    const newest = { eventType: uriOf('risk-level-change'), eventTime: nowSeconds - 30 };
    expect(risk('MEDIUM', { familyEntries: [high], newest })).toMatchObject({
      lifts: [],
      puts: [{ effect: 'step_up' }],
    });
  });

  it('HIGH lifts nothing', () => {
    expect(risk('HIGH', { familyEntries: [medium] })).toMatchObject({
      lifts: [],
      puts: [{ effect: 'deny' }],
    });
  });

  it('an older level than the newest changes nothing, but an older HIGH still ends older tokens', () => {
    const newest = { eventType: uriOf('risk-level-change'), eventTime: nowSeconds - 10 };
    expect(risk('MEDIUM', { newest })).toMatchObject({ outcome: 'recorded', puts: [] });
    expect(risk('LOW', { newest, familyEntries: [high] })).toMatchObject({ outcome: 'recorded', lifts: [] });
    const older = risk('HIGH', { newest });
    expect(older.puts).toMatchObject([{ cutOff: nowSeconds - 30 + 10 }]);
    expect(older.puts[0]).not.toHaveProperty('family');
  });

  it('a device that complies again, an assurance that rises, lift what the opposite put', () => {
    const memory = { familyEntries: [medium] };
    const data = { previous_status: 'not-compliant', current_status: 'compliant' };
    expect(decided({ event: 'device-compliance-change', data, memory }).lifts).toEqual(['rev_medium']);
    const rise = { namespace: 'NIST-AAL', current_level: 'aal2', change_direction: 'increase' };
    expect(decided({ event: 'assurance-level-change', data: rise, memory }).lifts).toEqual(['rev_medium']);
  });
});

describe('revocation-lifted', () => {
  const lifted = (data: object, parts: Parameters<typeof decided>[0]) =>
    decided({ event: 'revocation-lifted', data: { revocation_id: 'rev_1', ...data }, ...parts });

  it('ends what it names and leaves a cut-off behind for a disable', () => {
    const memory = { named: [disabled], namedStanding: standing.map((id) => ({ id })) };
    expect(lifted({}, { memory })).toMatchObject({
      outcome: 'applied',
      lifts: ['rev_1'],
      standingEnds: standing,
      puts: [{ match: client, cutOff, reason: 'revocation-lifted' }],
    });
  });

  it.each([
    ['a key kill', aRevocation({ match: { jkt } }), 1],
    ['a session', aRevocation({ match: { iss: idp, sid: 's' } }), 1],
    ['one token, which it restores', aRevocation({ match: { iss: idp, jti: 't' } }), 0],
    ['one token by its digest', aRevocation({ match: { token_sha256: jkt } }), 0],
    ['a cut-off', aRevocation({ cutOff: nowSeconds }), 0],
    ['a step-up', aRevocation({ effect: 'step_up' }), 0],
  ])('of %s: cut-offs left behind are as many as they must', (_, entry, left) => {
    expect(lifted({}, { memory: { named: [entry] } }).puts).toHaveLength(left);
  });

  it('restoring the tokens needs two persons', () => {
    const memory = { named: [disabled], namedStanding: standing.map((id) => ({ id })) };
    const held = lifted({ restore_tokens: true }, { memory });
    expect(held).toMatchObject({
      outcome: 'held',
      hold: { code: 'restore-tokens', approvalsRequired: 2 },
      lifts: [],
      standingEnds: [],
    });
    const released = lifted({ restore_tokens: true }, { memory, world: { released: { approvals: 2 } } });
    expect(released).toMatchObject({ outcome: 'applied', lifts: ['rev_1'], puts: [] });
  });

  it('so does lifting the cut-off that a lift left behind', () => {
    const left = aRevocation({ id: revocationId('rev_2'), cutOff: nowSeconds, reason: 'revocation-lifted' });
    const other = aRevocation({ cutOff: nowSeconds });
    const held = { outcome: 'held', hold: { code: 'restore-tokens', approvalsRequired: 2 }, lifts: [] };
    expect(lifted({}, { memory: { named: [other, left] } })).toMatchObject(held);
    const world = { released: { approvals: 2 } };
    expect(lifted({}, { memory: { named: [left] }, world })).toMatchObject({ lifts: ['rev_2'] });
    expect(lifted({}, { memory: { named: [left] }, world: { released: { approvals: 1 } } })).toMatchObject(
      held,
    );
  });

  it('DESIGN §9: a source that speaks for some issuers only lifts nothing of others, and is told so', () => {
    const source = aSource({ subjectIssuers: [idp] });
    const elsewhere = { id: revocationId('rev_2'), match: { iss: 'https://other.example', sub: 'u' } };
    const foreign = [aRevocation(elsewhere), aRevocation({ id: revocationId('rev_3'), match: { jkt } })];
    const [own, others] = [standingKillId('kill_2'), standingKillId('kill_3')];
    const namedStanding = [
      { id: own, issuers: [idp] },
      { id: others, issuers: [idp, 'x'] },
      { id: standing[0]! },
    ];
    const memory = { named: [disabled, ...foreign], namedStanding };
    const decision = lifted({}, { memory, source });
    expect(decision).toMatchObject({ lifts: ['rev_1'], standingEnds: [own], puts: [{ match: client }] });
    expect(decision.warnings).toContainEqual(expect.objectContaining({ code: 'subject-outside-source' }));
    expect(lifted({}, { memory: { named: foreign }, source })).toMatchObject({
      outcome: 'recorded',
      lifts: [],
    });
    expect(lifted({}, { memory }).lifts).toEqual(['rev_1', 'rev_2', 'rev_3']);
    expect(lifted({}, { memory: { named: [disabled] }, source }).warnings).toEqual([]);
  });

  it('of one signal leaves what others put, also what nobody can take back any more', () => {
    const share = {
      signalId: signalId('sig_0'),
      cutOff: nowSeconds - 600,
      reason: 'session-revoked',
      cause: 'session-revoked',
      settled: false,
    };
    const undone = (...shares: readonly object[]) => {
      const entry = aRevocation({ cutOff: nowSeconds, shares: shares.map((one) => ({ ...share, ...one })) });
      const data = { signal_id: 'sig_1' };
      return decided({ event: 'revocation-lifted', data, memory: { named: [entry] } });
    };
    expect(undone({})).toMatchObject({
      lifts: ['rev_1'],
      rests: [{ match: client, signalId: 'sig_0', cutOff: nowSeconds - 600, shares: [] }],
    });
    expect(undone({ signalId: 'sig_1' }).rests).toEqual([]);
    expect(undone({ lapsesAt: nowSeconds - 1 }).rests).toEqual([]);
    const settled = { signalId: 'sig_1', cutOff: nowSeconds - 900, settled: true };
    expect(undone(settled).rests).toMatchObject([{ cutOff: nowSeconds - 900, shares: [settled] }]);
  });

  it('of what is not in force any more is recorded', () => {
    expect(lifted({}, {})).toMatchObject({ outcome: 'recorded', lifts: [], puts: [] });
  });
});

describe('RISC §2.5, §2.6: identifiers change hands', () => {
  const subject = { format: 'email', email: 'john.doe@Example.com' };

  it('a changed one resolves by its new value', () => {
    const decision = decided({
      event: 'identifier-changed',
      subject,
      data: { 'new-value': 'john.roe@EXAMPLE.com' },
    });
    expect(decision).toMatchObject({
      outcome: 'recorded',
      links: [{ kind: 'renamed', from: 'email:john.doe@example.com', to: 'email:john.roe@example.com' }],
    });
  });

  it('a recycled one no longer resolves', () => {
    const decision = decided({ event: 'identifier-recycled', subject });
    expect(decision.links).toEqual([{ kind: 'forgotten', identifier: 'email:john.doe@example.com' }]);
  });

  it.each(['identifier-changed', 'identifier-recycled'])(
    'by %s a source that speaks for some issuers changes nothing that belongs to none, and is told',
    (event) => {
      const source = aSource({ subjectIssuers: [idp] });
      const decision = decided({ event, subject, source, data: { 'new-value': 'john.roe@example.com' } });
      expect(decision).toMatchObject({
        outcome: 'recorded',
        links: [],
        warnings: [{ code: 'link-outside-source' }],
      });
    },
  );

  it.each([
    ['without a new value', subject, {}],
    ['with one that is none', subject, { 'new-value': 'nonsense' }],
    ['with the same one', subject, { 'new-value': 'john.doe@example.com' }],
    ['of a subject that is neither e-mail nor phone', { iss: idp, sub: 'x' }, { 'new-value': 'y' }],
  ])('%s nothing changes', (_, changed, data) => {
    expect(decided({ event: 'identifier-changed', subject: changed, data }).links).toEqual([]);
  });
});
