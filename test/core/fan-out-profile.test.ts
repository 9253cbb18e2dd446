import { describe, expect, it } from 'vitest';
import { decide } from '../../src/core/decide.ts';
import { fanOut, type Audience } from '../../src/core/fan-out.ts';
import type { Resolution } from '../../src/core/resolution.ts';
import { type JsonObject, setId, streamId } from '../../src/core/vocabulary.ts';
import {
  aMemory,
  anAgent,
  aResolution,
  aStatement,
  aWorld,
  client,
  jkt,
  nowSeconds,
  type StatementParts,
  uriOf,
} from './builders.ts';

type Parts = StatementParts & { readonly resolution?: Partial<Resolution> };

const deciding = ({ resolution: known, ...parts }: Parts = {}) => {
  const statement = aStatement(parts);
  const resolution = aResolution(statement, known);
  const decision = decide(statement, resolution, aMemory(), aWorld());
  return { statement, resolution, decision, principal: 'agent:build-runner' };
};
const key = { format: 'uri', uri: `urn:ietf:params:oauth:jwk-thumbprint:sha-256:${jkt}` };
let made = 0;
const world = {
  iss: () => 'https://hub.example',
  nowMs: nowSeconds * 1_000,
  newSetId: () => setId(`set_${(made += 1)}`),
};
const anAudience = (id: string, hears: Audience['hears']): Audience => ({
  id: streamId(id),
  aud: `aud-${id}`,
  hears,
});

describe('a stream of the profile (CAEP Interoperability Profile 1.0 draft 02 §2.5, §3.1)', () => {
  const { iss = '', client_id: sub = '' } = client;
  const plain = { format: 'iss_sub', iss, sub };
  const hearing =
    (...names: readonly string[]): Audience['hears'] =>
    (eventType) =>
      names.map(uriOf).includes(eventType);
  const profiled = (id: string, hears: Audience['hears']): Audience => ({
    ...anAudience(id, hears),
    profile: 'caep-interop-1.0-draft-02',
  });
  const kill = (parts: Parts = {}) =>
    deciding({
      event: 'credential-compromise',
      subject: { agent: 'build-runner' },
      resolution: {
        agents: [anAgent('build-runner', [client, { iss, sub }])],
      },
      reason: 'stolen',
      ...parts,
    });

  it('hears of a denial as sessions revoked where it does not hear of the event, and of each subject once', () => {
    const { sets } = fanOut(kill(), [profiled('a', hearing('session-revoked'))], world);
    expect(sets.map(({ claims }) => [claims.sub_id, claims.events])).toEqual([
      [
        plain,
        {
          [uriOf('session-revoked')]: {
            event_timestamp: nowSeconds - 30,
            initiating_entity: 'policy',
            reason_admin: { en: 'stolen' },
          },
        },
      ],
    ]);
    expect(sets[0]).toMatchObject({ eventType: uriOf('session-revoked'), denies: true });
    expect(sets[0]).not.toHaveProperty('asSessionRevoked');
  });

  it('hears of the event itself where it does, and of nothing where it hears of neither', () => {
    const both = fanOut(kill(), [profiled('a', hearing('session-revoked', 'credential-compromise'))], world);
    expect(both.sets.map(({ eventType }) => eventType)).toEqual([uriOf('credential-compromise')]);
    expect(fanOut(kill(), [profiled('a', hearing('credential-change'))], world).sets).toEqual([]);
  });

  it('is not told of what denies nobody as if it did, and a lift takes no session back', () => {
    const seen = deciding({ event: 'session-established' });
    expect(fanOut(seen, [profiled('a', () => true)], world).sets).toHaveLength(1);
    expect(fanOut(seen, [profiled('a', hearing('session-revoked'))], world).sets).toEqual([]);
    const disabled = deciding({ event: 'account-disabled' });
    const [set] = fanOut(disabled, [profiled('a', hearing('session-revoked'))], world).sets;
    expect(set).not.toHaveProperty('family');
    const [itself] = fanOut(disabled, [profiled('a', hearing('account-disabled'))], world).sets;
    expect(itself).toHaveProperty('family');
  });

  it.each<[JsonObject, JsonObject]>([
    [{ format: 'complex', application: plain }, plain],
    [
      { format: 'complex', user: { format: 'email', email: 'a@example.com' } },
      { format: 'email', email: 'a@example.com' },
    ],
    [key, key],
    [
      { format: 'complex', session: plain },
      { format: 'complex', session: plain },
    ],
    [
      { format: 'complex', user: plain, device: key },
      { format: 'complex', user: plain, device: key },
    ],
    [
      { format: 'complex', user: key },
      { format: 'complex', user: key },
    ],
  ])('says %j as %j, and asks whether the stream has that', (subject, said) => {
    const asked: unknown[] = [];
    const audience = profiled('a', (_, heard) => asked.push(heard) > 0);
    const [set] = fanOut(deciding({ subject }), [audience], world).sets;
    expect(set?.claims.sub_id).toEqual(said);
    expect(asked[0]).toEqual(said);
  });
});
