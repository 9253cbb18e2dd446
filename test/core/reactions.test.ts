import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { eventTypes } from '../../src/core/events/event-types.ts';
import { builtInPolicyVersion, type Reaction, reactions, reactionTo } from '../../src/core/reactions.ts';
import type { JsonObject } from '../../src/core/vocabulary.ts';
import { decided, nowSeconds } from './builders.ts';

type Row = readonly [
  event: string,
  data: JsonObject,
  rule: string,
  effect: Reaction['effect'],
  cutOff?: 'event' | 'now',
];

/** docs/reactions.md, row by row. */
const rows: readonly Row[] = [
  ['session-revoked', {}, 'session-revoked', 'deny', 'event'],
  ['sessions-revoked', {}, 'sessions-revoked', 'deny', 'event'],
  ['token-claims-change', { claims: { role: 'x' } }, 'token-claims-change', 'deny', 'event'],
  ['account-credential-change-required', {}, 'account-credential-change-required', 'deny', 'event'],
  ['credential-compromise', {}, 'credential-compromise', 'deny', 'now'],
  ['credential-change', { change_type: 'revoke' }, 'credential-change/gone', 'deny', 'event'],
  ['credential-change', { change_type: 'delete' }, 'credential-change/gone', 'deny', 'event'],
  ['credential-change', { change_type: 'create' }, 'credential-change/new', 'record'],
  ['credential-change', { change_type: 'update' }, 'credential-change/new', 'record'],
  ['assurance-level-change', { change_direction: 'decrease' }, 'assurance-level-change/decrease', 'step_up'],
  ['assurance-level-change', { change_direction: 'increase' }, 'assurance-level-change/increase', 'lift'],
  ['assurance-level-change', {}, 'assurance-level-change/unknown', 'record'],
  [
    'device-compliance-change',
    { current_status: 'not-compliant' },
    'device-compliance-change/not-compliant',
    'restrict',
  ],
  ['device-compliance-change', { current_status: 'compliant' }, 'device-compliance-change/compliant', 'lift'],
  ['session-established', {}, 'session-established', 'record'],
  ['session-presented', {}, 'session-presented', 'record'],
  ['risk-level-change', { current_level: 'HIGH' }, 'risk-level-change/high', 'deny', 'event'],
  ['risk-level-change', { current_level: 'MEDIUM' }, 'risk-level-change/medium', 'step_up'],
  ['risk-level-change', { current_level: 'LOW' }, 'risk-level-change/low', 'lift'],
  ['account-purged', {}, 'account-purged', 'deny'],
  ['account-disabled', {}, 'account-disabled', 'deny'],
  ['account-enabled', {}, 'account-enabled', 'lift'],
  ['scim-prov-deactivate', {}, 'scim-prov-deactivate', 'deny'],
  ['scim-prov-delete', {}, 'scim-prov-delete', 'deny'],
  ['scim-prov-activate', {}, 'scim-prov-activate', 'lift'],
  ['scim-feed-add', {}, 'scim-feed-add', 'record'],
  ['scim-feed-remove', {}, 'scim-feed-remove', 'record'],
  ['scim-prov-create-full', { data: {} }, 'scim-prov-create-full', 'record'],
  ['scim-prov-create-notice', { attributes: [] }, 'scim-prov-create-notice', 'record'],
  ['scim-prov-patch-full', { data: {} }, 'scim-prov-patch-full', 'record'],
  ['scim-prov-patch-notice', { attributes: [] }, 'scim-prov-patch-notice', 'record'],
  ['scim-prov-put-full', { data: {} }, 'scim-prov-put-full', 'record'],
  ['scim-prov-put-notice', { attributes: [] }, 'scim-prov-put-notice', 'record'],
  ['scim-misc-asyncresp', {}, 'scim-misc-asyncresp', 'record'],
  ['identifier-changed', {}, 'identifier-changed', 'record'],
  ['identifier-recycled', {}, 'identifier-recycled', 'record'],
  ['opt-in', {}, 'opt-in', 'record'],
  ['opt-out-initiated', {}, 'opt-out-initiated', 'record'],
  ['opt-out-cancelled', {}, 'opt-out-cancelled', 'record'],
  ['opt-out-effective', {}, 'opt-out-effective', 'record'],
  ['recovery-activated', {}, 'recovery-activated', 'step_up'],
  ['recovery-information-changed', {}, 'recovery-information-changed', 'step_up'],
  ['owner-departed', {}, 'owner-departed', 'restrict'],
  ['build-untrusted', {}, 'build-untrusted', 'deny'],
  ['host-vulnerable', {}, 'host-vulnerable', 'step_up'],
  ['key-compromised', {}, 'key-compromised', 'deny', 'now'],
  ['token-stolen', {}, 'token-stolen', 'deny'],
  ['behavior-anomaly', { confidence: 'high' }, 'behavior-anomaly/high', 'deny', 'now'],
  ['behavior-anomaly', { confidence: 'medium' }, 'behavior-anomaly/medium', 'restrict'],
  ['behavior-anomaly', {}, 'behavior-anomaly/medium', 'restrict'],
  ['behavior-anomaly', { confidence: 'low' }, 'behavior-anomaly/low', 'observe'],
  ['task-ended', {}, 'task-ended', 'deny', 'event'],
  ['revocation-ordered', {}, 'revocation-ordered', 'deny'],
  ['revocation-lifted', {}, 'revocation-lifted', 'lift'],
];

const skew = 10;
const cutOffs = { event: nowSeconds - 30 + skew, now: nowSeconds + skew, none: undefined } as const;
const walked = rows.map(([event, data, rule, effect, cutOff = 'none' as const]) => ({
  event,
  data,
  rule,
  effect,
  cutOff,
}));
/** About a token, or about those whom the subject owns. */
const hitsNoClient = new Set(['token-stolen', 'owner-departed']);

describe('reactions §1, §2: every event walked to its effect', () => {
  it.each(walked)('$event $data → $rule: $effect $cutOff', ({ event, data, rule, effect, cutOff }) => {
    expect(reactionTo({ name: event, data })).toMatchObject({ rule, effect });
    const decision = decided({ event, data });
    expect(decision.rule).toBe(rule);
    const put = decision.puts[0];
    if (effect === 'record' || effect === 'lift' || hitsNoClient.has(event)) {
      expect(decision).toMatchObject({ outcome: 'recorded', puts: [] });
    } else {
      expect(decision).toMatchObject({ outcome: 'applied', kills: effect === 'deny' });
      expect(put).toMatchObject({ effect, reach: effect === 'deny' ? 'chain' : 'actor', reason: event });
      expect(put?.cutOff).toBe(cutOffs[cutOff]);
    }
  });

  it('the rows name every event type and every reaction', () => {
    expect(new Set(rows.map(([event]) => event))).toEqual(new Set(eventTypes.map(({ name }) => name)));
    expect(new Set(rows.map(([, , rule]) => rule))).toEqual(new Set(reactions.map(({ rule }) => rule)));
  });

  it('the last row of each event has no condition, so that none falls through', () => {
    const last = new Map<string, Reaction>(reactions.map((row) => [row.event, row]));
    expect([...last.values()].filter((row) => row.when !== undefined)).toEqual([]);
  });

  it('an event type that nobody knows here is recorded', () => {
    expect(decided({ event: 'https://example.com/new-event' })).toMatchObject({
      outcome: 'recorded',
      rule: 'unknown-event',
      puts: [],
    });
  });

  it('the confidence of the source counts before that of the event', () => {
    const decision = decided({ event: 'behavior-anomaly', data: { confidence: 'low' }, confidence: 'high' });
    expect(decision.rule).toBe('behavior-anomaly/high');
  });

  it('the policy version changes with the table: bump `builtInPolicyVersion` and then this digest', () => {
    const digest = createHash('sha256').update(JSON.stringify(reactions)).digest('hex');
    expect([builtInPolicyVersion, digest.slice(0, 16)]).toEqual(['built-in-2', '5f0f23d92dac566d']);
  });
});
