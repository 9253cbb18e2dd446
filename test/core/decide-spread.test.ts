import { describe, expect, it } from 'vitest';
import { bindLate } from '../../src/core/decide-plan.ts';
import type { Decision } from '../../src/core/decision.ts';
import { parseSubject } from '../../src/core/subject.ts';
import { agentName } from '../../src/core/vocabulary.ts';
import { anAgent, aSource, client, decided, idp, jkt, nowSeconds, otherJkt } from './builders.ts';

const child = { iss: idp, client_id: 'report-writer' };
const writer = anAgent('report-writer', [child]);
const runner = anAgent('build-runner', [client, { jkt }], { descendants: [writer] });
const named = { subject: { agent: 'build-runner' }, resolution: { agents: [runner] } };

const hits = ({ puts }: Decision) => puts.map(({ match, agent }) => [agent, match]);
const everything = [
  ['build-runner', client],
  ['build-runner', { jkt }],
  ['report-writer', child],
];

describe('DESIGN §5: who is hit', () => {
  it('a denial of an agent hits all its keys and its descendants', () => {
    const decision = decided({ event: 'credential-compromise', ...named });
    expect(hits(decision)).toEqual(everything);
    expect(decision.blast).toEqual({ agents: 1, keys: 3, descendants: 1 });
    expect(decision.agents).toEqual(['build-runner', 'report-writer']);
  });

  it('compromised credentials: the keys end for good, the names up to now', () => {
    const { puts } = decided({ event: 'credential-compromise', ...named });
    expect(puts.map(({ cutOff }) => cutOff)).toEqual([nowSeconds + 10, undefined, nowSeconds + 10]);
  });

  it('an agent that is found by one of its names is hit as a whole', () => {
    const decision = decided({ event: 'account-disabled', resolution: { agents: [runner] } });
    expect(hits(decision)).toEqual(everything);
  });

  it('a key stays the key of the agent that it belongs to, whoever else is hit', () => {
    const subject = { format: 'aliases', identifiers: [{ format: 'iss_sub', iss: idp, sub: 'a' }] };
    const agents = [anAgent('one', [{ iss: idp, sub: 'a' }]), anAgent('other', [])];
    const decision = decided({ event: 'account-disabled', subject, resolution: { agents } });
    expect(hits(decision)).toEqual([['one', { iss: idp, sub: 'a' }]]);
  });

  it('a leaked key ends that key, and not the agent that holds it', () => {
    const resolution = { agents: [runner] };
    expect(hits(decided({ event: 'key-compromised', subject: { jkt }, resolution }))).toEqual([
      [undefined, { jkt }],
    ]);
    expect(hits(decided({ event: 'credential-compromise', subject: { jkt }, resolution }))).toEqual(
      everything,
    );
  });

  it("one user's part of what an agent does is less than the agent", () => {
    const subject = { ...client, sub: 'alice' };
    const decision = decided({ event: 'account-disabled', subject, resolution: { agents: [runner] } });
    expect(hits(decision)).toEqual([[undefined, subject]]);
    expect(decision.standing).toEqual([]);
  });

  it.each([{ iss: idp, jti: 't-1' }, { iss: idp, sid: 's-1' }, { token_sha256: jkt }])(
    '%o is one token or session, and hits no more than itself',
    (subject) => {
      const decision = decided({ event: 'account-disabled', subject, resolution: { agents: [runner] } });
      expect(hits(decision)).toEqual([[undefined, subject]]);
    },
  );

  it('a stolen token ends that token only; who sends a subject instead of a token ends nothing', () => {
    const resolution = { agents: [runner] };
    const token = { iss: idp, jti: 't-1' };
    expect(hits(decided({ event: 'token-stolen', subject: token, resolution }))).toEqual([
      [undefined, token],
    ]);
    expect(decided({ event: 'token-stolen', resolution })).toMatchObject({
      outcome: 'recorded',
      puts: [],
      standing: [],
    });
  });

  it('re-minting is asked of the agent and not of its descendants', () => {
    const decision = decided({ event: 'token-claims-change', ...named });
    expect(decision.puts.map(({ agent }) => agent)).toEqual(['build-runner', 'build-runner']);
    expect(decision.standing).toMatchObject([{ template: { lineage: false } }]);
  });

  it('a disabled owner is refused, and the agents that are owned are restricted', () => {
    const subject = { format: 'iss_sub', iss: idp, sub: 'mara' };
    const decision = decided({ event: 'account-disabled', subject, resolution: { owned: [runner] } });
    expect(decision.puts.map(({ effect, agent, restrict }) => [effect, agent, restrict])).toEqual([
      ['restrict', 'build-runner', { read_only: true }],
      ['restrict', 'build-runner', { read_only: true }],
      ['restrict', 'report-writer', { read_only: true }],
      ['deny', undefined, undefined],
    ]);
    expect(decision.puts.at(-1)).not.toHaveProperty('standing');
  });

  it('when the owner departs, the owned agents are restricted and nobody is refused', () => {
    const subject = { format: 'email', email: 'mara@example.com' };
    const decision = decided({ event: 'owner-departed', subject, resolution: { owned: [runner] } });
    expect(new Set(decision.puts.map(({ effect }) => effect))).toEqual(new Set(['restrict']));
    expect(decision.warnings).toEqual([]);
    expect(decision.kills).toBe(false);
  });
});

describe('DESIGN §5: kills bind late', () => {
  it('a kill stands on each agent that it hits, for its descendants too where it spreads', () => {
    const { standing, puts } = decided({ event: 'account-disabled', ...named });
    expect(standing).toMatchObject([
      { agent: 'build-runner', template: { effect: 'deny', lineage: true, family: 'account' } },
    ]);
    expect(puts.every((put) => put.standing === 0)).toBe(true);
  });

  it('what is learnt gets the same entry: a new key after a compromise is not dead for good', () => {
    const { standing } = decided({ event: 'credential-compromise', ...named });
    const bound = standing.flatMap(({ template }) =>
      bindLate(template, agentName('build-runner'), [{ jkt: otherJkt }]),
    );
    expect(bound).toMatchObject([
      { match: { jkt: otherJkt }, agent: 'build-runner', effect: 'deny', cutOff: nowSeconds + 10 },
    ]);
    expect(Object.keys(bound[0] ?? {})).not.toContain('lineage');
  });

  it('an unknown subject is unresolved, and the kill waits for its identifier', () => {
    const subject = { format: 'email', email: 'bot@Example.com' };
    const decision = decided({ event: 'account-disabled', subject });
    expect(decision).toMatchObject({
      outcome: 'unresolved',
      puts: [],
      standing: [{ identifier: 'email:bot@example.com' }],
      kills: true,
    });
    expect(decision.warnings.map(({ code }) => code)).toEqual(['subject-unresolved']);
  });

  it('an agent without keys is unresolved, and the kill waits for them', () => {
    const decision = decided({ ...named, resolution: { agents: [anAgent('build-runner', [])] } });
    expect(decision).toMatchObject({ outcome: 'unresolved', standing: [{ agent: 'build-runner' }] });
  });

  it('a subject known in part is acted on in part, and says so', () => {
    const subject = {
      format: 'aliases',
      identifiers: [
        { format: 'iss_sub', iss: idp, sub: 'bot' },
        { format: 'email', email: 'bot@example.com' },
      ],
    };
    const decision = decided({ subject });
    expect(decision).toMatchObject({
      outcome: 'applied',
      standing: [{ identifier: 'email:bot@example.com' }],
    });
    expect(decision.warnings.map(({ code }) => code)).toContain('subject-partly-resolved');
  });

  it('an unknown user of a known application waits, and binds as that conjunction only', () => {
    const subject = {
      format: 'complex',
      user: { format: 'email', email: 'mara@example.com' },
      application: { format: 'iss_sub', iss: idp, sub: 'build-runner' },
    };
    const decision = decided({ subject });
    expect(decision).toMatchObject({
      outcome: 'unresolved',
      puts: [],
      standing: [{ template: { within: client } }],
    });
    const learnt = { iss: idp, sub: 'mara' };
    const bound = decision.standing.flatMap(({ template }) => bindLate(template, undefined, [learnt]));
    expect(bound.map(({ match }) => match)).toEqual([{ ...client, ...learnt }]);
    const elsewhere = { iss: 'https://other.example', sub: 'mara' };
    expect(decision.standing.flatMap(({ template }) => bindLate(template, undefined, [elsewhere]))).toEqual(
      [],
    );
  });

  it('members that contradict each other name nobody: unresolved, and nothing waits', () => {
    const subject = {
      format: 'complex',
      user: { format: 'iss_sub', iss: idp, sub: 'mara' },
      application: { format: 'iss_sub', iss: 'https://other.example', sub: 'build-runner' },
    };
    expect(decided({ subject })).toMatchObject({ outcome: 'unresolved', puts: [], standing: [] });
  });

  it('an issuer-bound source binds late within its issuers', () => {
    const source = aSource({ subjectIssuers: [idp] });
    const { standing } = decided({ event: 'build-untrusted', ...named, source });
    const learnt = [{ jkt: otherJkt }, { iss: 'https://other.example', client_id: 'x' }];
    const bound = standing.flatMap(({ template }) => bindLate(template, agentName('build-runner'), learnt));
    expect(bound.map(({ match }) => match)).toEqual([{ jkt: otherJkt, iss: idp }]);
  });

  it('the template names the subject by its key', () => {
    const { standing } = decided({ event: 'account-disabled', ...named });
    expect(standing[0]?.template.subjectKey).toBe(parseSubject({ agent: 'build-runner' }).key);
  });
});
