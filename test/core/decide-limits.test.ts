import { describe, expect, it } from 'vitest';
import { undecidedDecision } from '../../src/core/decide.ts';
import { requireAllowed } from '../../src/core/decide-limits.ts';
import { Problem } from '../../src/core/problem.ts';
import { anAgent, aSource, aStatement, aWorld, client, decided, idp, jkt, nowSeconds } from './builders.ts';

const other = 'https://other.example';
const disable = { event: 'account-disabled' } as const;
const codes = ({ warnings }: { readonly warnings: readonly { readonly code: string }[] }) =>
  warnings.map(({ code }) => code);

describe('DESIGN §9: what a source may cause', () => {
  it('more kills a minute than allowed are held, and the soft effect happens at once', () => {
    const source = aSource({ killsPerMinute: 3, softEffect: 'restrict', heldSeconds: 600 });
    const decision = decided({ ...disable, source, memory: { killsInLastMinute: 3 } });
    expect(decision).toMatchObject({
      outcome: 'held',
      hold: { code: 'brake', approvalsRequired: 1 },
      kills: true,
      standing: [],
      puts: [
        { match: client, effect: 'restrict', restrict: { read_only: true }, lapsesAt: nowSeconds + 600 },
      ],
    });
    expect(decision).not.toHaveProperty('remember');
  });

  it('the brake lets through what is below it, what a person says, what a second source says, and what only reduces', () => {
    const memory = { killsInLastMinute: 30 };
    expect(decided({ ...disable, memory }).outcome).toBe('held');
    expect(decided({ ...disable, memory: { killsInLastMinute: 29 } }).outcome).toBe('applied');
    expect(decided({ ...disable, memory, source: aSource({ person: true }) }).outcome).toBe('applied');
    expect(decided({ ...disable, memory: { ...memory, corroborated: true } }).outcome).toBe('applied');
    expect(decided({ event: 'host-vulnerable', memory }).outcome).toBe('applied');
  });

  it('a kill that waits for a subject to become known counts as a kill', () => {
    const subject = { format: 'email', email: 'a@example.com' };
    const decision = decided({ ...disable, subject, memory: { killsInLastMinute: 30 } });
    expect(decision).toMatchObject({ outcome: 'held', hold: { code: 'brake' }, puts: [], standing: [] });
  });

  it('what is stronger than the source may cause is held', () => {
    const source = aSource({ strongestEffect: 'step_up', softEffect: 'restrict' });
    const decision = decided({ ...disable, source });
    expect(decision).toMatchObject({
      outcome: 'held',
      hold: { code: 'beyond-source' },
      puts: [{ effect: 'step_up' }],
    });
    expect(decided({ event: 'host-vulnerable', source }).outcome).toBe('applied');
  });

  it('the soft effect is never the kill itself', () => {
    const source = aSource({ killsPerMinute: 0, softEffect: 'deny' });
    expect(decided({ ...disable, source }).puts).toMatchObject([{ effect: 'restrict' }]);
  });

  it.each([
    { iss: idp },
    { workload: 'spiffe://td.example/*' },
    { iss: idp, workload: 'spiffe://td.example/*' },
  ])('%o is everybody: held for a person, whoever says it, and nothing happens meanwhile', (subject) => {
    const source = aSource({ person: true });
    const decision = decided({ event: 'revocation-ordered', subject, source });
    expect(decision).toMatchObject({ outcome: 'held', hold: { code: 'issuer-wide' }, puts: [] });
    const released = decided({
      event: 'revocation-ordered',
      subject,
      source,
      world: { released: { approvals: 1 } },
    });
    expect(released).toMatchObject({ outcome: 'applied', puts: [{ match: subject }] });
  });

  it('one path of a trust domain is not everybody', () => {
    const subject = { workload: 'spiffe://td.example/build/*' };
    expect(decided({ event: 'revocation-ordered', subject }).outcome).toBe('applied');
  });

  it('what was released is not held again', () => {
    const memory = { killsInLastMinute: 1_000 };
    for (const approvals of [0, 1]) {
      const world = { released: { approvals } };
      expect(decided({ ...disable, memory, world })).toMatchObject({ outcome: 'applied' });
    }
  });

  it('but what only persons may let through is, until as many have approved', () => {
    const guarded = anAgent('payments', [client], { protected: true });
    const released = (approvals: number) =>
      decided({ ...disable, resolution: { agents: [guarded] }, world: { released: { approvals } } });
    expect(released(1)).toMatchObject({
      outcome: 'held',
      hold: { code: 'protected-agent', approvalsRequired: 2 },
    });
    expect(released(2).outcome).toBe('applied');
    const byClock = { subject: { iss: idp }, world: { released: { approvals: 0 } } };
    expect(decided({ event: 'revocation-ordered', ...byClock })).toMatchObject({
      hold: { code: 'issuer-wide' },
    });
  });
});

describe('DESIGN §9: protected agents', () => {
  const guarded = anAgent('payments', [{ iss: idp, client_id: 'payments' }], { protected: true });
  const plain = anAgent('build-runner', [client]);

  it('are hit only after two persons approved, and what is not protected waits too, softened', () => {
    const subject = { agent: 'build-runner' };
    const decision = decided({ ...disable, subject, resolution: { agents: [guarded, plain] } });
    expect(decision).toMatchObject({
      outcome: 'held',
      hold: { code: 'protected-agent', approvalsRequired: 2 },
      puts: [{ agent: 'build-runner', effect: 'observe' }],
    });
    expect(decision.text).toContain('waits with it');
  });

  it.each([
    ['a person', { source: aSource({ person: true }) }],
    [
      'a descendant',
      { resolution: { agents: [anAgent('build-runner', [client], { descendants: [guarded] })] } },
    ],
    ['an owned agent', { resolution: { owned: [guarded] } }],
    ['a key of theirs', { subject: { jkt }, event: 'key-compromised', resolution: { agents: [guarded] } }],
  ])('also through %s', (_, parts) => {
    const decision = decided({ ...disable, resolution: { agents: [guarded] }, ...parts });
    expect(decision).toMatchObject({ outcome: 'held', hold: { code: 'protected-agent' } });
    expect(decision.puts.filter(({ match }) => match !== client)).toEqual([]);
  });

  it('may be watched', () => {
    const parts = {
      event: 'behavior-anomaly',
      data: { confidence: 'low' },
      resolution: { agents: [guarded] },
    };
    expect(decided(parts).outcome).toBe('applied');
  });
});

describe('DESIGN §9: a source that speaks for some issuers', () => {
  const source = aSource({ subjectIssuers: [idp] });

  it('kills keys only as those issuers carry them', () => {
    const decision = decided({ event: 'key-compromised', subject: { jkt }, source });
    expect(decision.puts.map(({ match }) => match)).toEqual([{ jkt, iss: idp }]);
  });

  it('leaves what an agent has at other issuers, and says so', () => {
    const agents = [anAgent('build-runner', [client, { iss: other, client_id: 'build-runner' }, { jkt }])];
    const decision = decided({
      ...disable,
      subject: { agent: 'build-runner' },
      source,
      resolution: { agents },
    });
    expect(decision.puts.map(({ match }) => match)).toEqual([client, { jkt, iss: idp }]);
    expect(codes(decision)).toContain('subject-outside-source');
  });

  it('causes nothing elsewhere', () => {
    const decision = decided({ ...disable, subject: { iss: other, sub: 'x' }, source });
    expect(decision).toMatchObject({ outcome: 'recorded', puts: [], standing: [], kills: false });
  });

  it('is refused at the door', () => {
    const statement = aStatement({ subject: { iss: other, sub: 'x' }, source });
    expect(() => requireAllowed(statement)).toThrow(Problem);
    expect(() => requireAllowed(aStatement({ source }))).not.toThrow();
  });
});

describe('DESIGN §9: a source that speaks for some domains', () => {
  const source = aSource({ subjectDomains: ['example.com'] });
  const email = (address: string) => ({ format: 'email', email: address });
  const account = (uri: string) => ({ format: 'account', uri });

  it.each([
    email('alice@example.com'),
    email('"a@b"@EXAMPLE.com'),
    account('acct:alice@Example.com'),
    { format: 'phone_number', phone_number: '+12065550100' },
  ])('may speak about %j', (subject) => {
    expect(() => requireAllowed(aStatement({ subject, source }))).not.toThrow();
  });

  it.each([
    email('alice@evil.example'),
    email('example.com@evil.example'),
    email('alice@sub.example.com'),
    account('acct:alice@evil.example'),
    { format: 'complex', user: email('alice@example.com'), session: email('x@evil.example') },
    { format: 'aliases', identifiers: [email('alice@example.com'), email('alice@evil.example')] },
  ])('and not about %j', (subject) => {
    expect(() => requireAllowed(aStatement({ subject, source }))).toThrow('of that domain');
  });
});

describe('DESIGN §9: a source that may report some events', () => {
  it.each(['session-revoked', 'https://schemas.openid.net/secevent/caep/event-type/session-revoked'])(
    'listed as %s',
    (listed) => {
      const source = aSource({ eventTypes: [listed] });
      expect(decided({ source }).outcome).toBe('applied');
      expect(() => requireAllowed(aStatement({ source }))).not.toThrow();
      const beyond = decided({ ...disable, source });
      expect(beyond).toMatchObject({ outcome: 'recorded', puts: [], standing: [], lifts: [] });
      expect(codes(beyond)).toEqual(['source-not-allowed']);
      expect(() => requireAllowed(aStatement({ ...disable, source }))).toThrow('may not report');
    },
  );
});

describe('DESIGN §5: when deciding fails', () => {
  const undecided = (parts: Parameters<typeof aStatement>[0]) =>
    undecidedDecision(aStatement(parts), aWorld());

  it('the built-in reaction happens to what the subject names itself, with an alert', () => {
    const decision = undecided({ event: 'credential-compromise' });
    expect(decision).toMatchObject({
      outcome: 'undecided',
      kills: true,
      puts: [{ match: client, cutOff: nowSeconds + 10 }],
    });
    expect(codes(decision)).toContain('undecided');
  });

  it('an agent that is only named stays as it is, and the alert says that only names were acted on', () => {
    expect(undecided({ subject: { agent: 'build-runner' } })).toMatchObject({
      outcome: 'undecided',
      puts: [],
    });
  });

  it('is no way around the limits of a source', () => {
    const weak = aSource({ strongestEffect: 'observe' });
    expect(undecided({ source: weak }).puts).toMatchObject([{ effect: 'observe' }]);
    expect(undecided({ source: aSource({ eventTypes: [] }) }).puts).toEqual([]);
    expect(undecided({ event: 'revocation-ordered', subject: { iss: idp } }).puts).toEqual([]);
  });

  it('nothing is lifted', () => {
    expect(undecided({ event: 'account-enabled' })).toMatchObject({ lifts: [], puts: [] });
  });
});
