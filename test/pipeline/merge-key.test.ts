import { expect, it } from 'vitest';
import type { PlannedStanding } from '../../src/core/decision.ts';
import type { Revocation } from '../../src/core/revocation.ts';
import { agentName, identifier, subjectKey } from '../../src/core/vocabulary.ts';
import { mergeKey, standingMergeKey } from '../../src/pipeline/merge-key.ts';

type Keyed = Parameters<typeof mergeKey>[0];
const entry: Keyed = {
  match: { iss: 'https://idp.example', client_id: 'build' },
  reach: 'chain',
  effect: 'deny',
  cutOff: 100,
  lapsesAt: 200,
  reason: 'session-revoked',
  cause: 'urn:a',
  subjectKey: subjectKey('a'),
};
const key = (change: Partial<Revocation>) => Buffer.from(mergeKey({ ...entry, ...change })).toString('hex');

it('DESIGN §5: what a merge moves, and why it was put, is not part of the key; nor is how a match is written', () => {
  const same: readonly Partial<Revocation>[] = [
    { cutOff: 500, lapsesAt: 900 },
    { reason: 'credential-compromise', cause: 'urn:b', agent: agentName('x') },
    { subjectKey: subjectKey('b') },
    { match: { client_id: 'build', iss: 'https://idp.example' } },
  ];
  expect(new Set([key({}), ...same.map(key)]).size).toBe(1);
});

it('whatever changes who is hit, how, or what may end it, keeps entries apart', () => {
  const different: readonly Partial<Revocation>[] = [
    { match: { iss: 'https://idp.example' } },
    { reach: 'holder' },
    { effect: 'step_up' },
    { effect: 'step_up', stepUp: { after: 1 } },
    { effect: 'step_up', stepUp: { after: 2 } },
    { restrict: { read_only: true } },
    { restrict: { tools: { deny: ['a'] } } },
    { cutOffBasis: 'session' },
    { family: 'risk' },
    { family: 'risk', subjectKey: subjectKey('b') },
    { family: 'account' },
    { reason: 'revocation-lifted' },
  ];
  const keys = [key({}), ...different.map(key)];
  expect(new Set(keys).size).toBe(keys.length);
});

it('standing kills are told apart by whom they wait for, how far they reach and within what', () => {
  const template: PlannedStanding['template'] = {
    reach: 'chain',
    effect: 'deny',
    cutOff: 100,
    reason: 'r',
    lineage: true,
    cause: 'urn:a',
    subjectKey: subjectKey('a'),
  };
  const kills: readonly PlannedStanding[] = [
    { template, agent: agentName('x') },
    { template, identifier: identifier('x') },
    { template: { ...template, lineage: false }, agent: agentName('x') },
    { template: { ...template, within: { sid: 's' } }, agent: agentName('x') },
    { template: { ...template, issuers: ['https://a.example'] }, agent: agentName('x') },
    { template: { ...template, family: 'risk' }, agent: agentName('x') },
  ];
  const keys = kills.map((kill) => Buffer.from(standingMergeKey(kill)).toString('hex'));
  expect(new Set(keys).size).toBe(keys.length);
  const later = standingMergeKey({ template: { ...template, cutOff: 999 }, agent: agentName('x') });
  expect(Buffer.from(later).toString('hex')).toBe(keys[0]);
});
