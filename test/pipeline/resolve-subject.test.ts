import { describe, expect, it } from 'vitest';
import type { KnownAgent } from '../../src/core/resolution.ts';
import type { Match } from '../../src/core/revocation.ts';
import { parseSubject } from '../../src/core/subject.ts';
import { agentName, type AgentName, identifier, type JsonObject } from '../../src/core/vocabulary.ts';
import { principalOf, type RegistryFacts, resolveSubject } from '../../src/pipeline/resolve-subject.ts';

const iss = 'https://idp.example';
const jkt = 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs';
const email = { format: 'email', email: 'mara@example.com' };
const builder = agentName('builder');
const reporter = agentName('reporter');

type Registered = { readonly name: AgentName; readonly identities: readonly Match[] };
function facts(
  registered: readonly Registered[],
  more: Partial<Pick<RegistryFacts, 'links' | 'owned' | 'descendants'>> = {},
): RegistryFacts {
  const known = (one: Registered): [AgentName, KnownAgent] => [one.name, { ...one, protected: false }];
  return {
    links: new Map(),
    owned: new Map(),
    descendants: new Map(),
    ...more,
    agents: new Map(registered.map(known)),
    identities: registered.flatMap(({ name: agent, identities }) =>
      identities.map((match) => ({ agent, match })),
    ),
  };
}
const resolve = (subject: JsonObject, known: RegistryFacts) => resolveSubject(parseSubject(subject), known);
const namesOf = (subject: JsonObject, known: RegistryFacts) =>
  resolve(subject, known).agents.map(({ name }) => name);

const oneAgent = facts([{ name: builder, identities: [{ iss, client_id: 'build' }, { jkt }] }]);

describe('whom a subject is', () => {
  it.each([
    ['its client', { iss, client_id: 'build' }, [builder]],
    ['its key', { jkt }, [builder]],
    ['its client with a key of its own', { iss, client_id: 'build', sub: 'svc' }, [builder]],
    ['everybody of its issuer', { iss }, [builder]],
    ['another client', { iss, client_id: 'other' }, []],
    ['the same client elsewhere', { iss: 'https://other.example', client_id: 'build' }, []],
    ['one session of it, which is less', { iss, client_id: 'build', sid: 's-1' }, []],
    ['one token of it, which is less', { iss, client_id: 'build', jti: 't-1' }, []],
  ] as const)('%s', (_, subject, agents) => {
    expect(namesOf({ ...subject }, oneAgent)).toEqual(agents);
  });

  it('an agent named outright, with its descendants, nearest first', () => {
    const known = facts(
      [
        { name: builder, identities: [] },
        { name: reporter, identities: [{ jkt }] },
      ],
      { descendants: new Map([[builder, [{ name: reporter, depth: 1 }]]]) },
    );
    const { agents, keys } = resolve({ agent: 'builder' }, known);
    expect(keys).toEqual([]);
    expect(agents).toMatchObject([
      { name: builder, descendants: [{ name: reporter, depth: 1, identities: [{ jkt }] }] },
    ]);
  });

  it('what nobody knows is unresolved and awaited, never a success', () => {
    const { keys, agents, unresolved, awaited } = resolve(email, facts([]));
    expect({ keys, agents }).toEqual({ keys: [], agents: [] });
    expect(unresolved).toEqual(['email:mara@example.com']);
    expect(awaited).toEqual([{ identifier: 'email:mara@example.com' }]);
  });

  it('a link to a key, or to an agent, makes it known; an owner owns', () => {
    const id = identifier('email:mara@example.com');
    const key = { iss, sub: 'mara' };
    const linked = resolve(email, facts([], { links: new Map([[id, { match: key }]]) }));
    expect(linked).toMatchObject({ keys: [key], unresolved: [] });
    const builderFacts = [{ name: builder, identities: [{ jkt }] }];
    const asAgent = resolve(email, facts(builderFacts, { links: new Map([[id, { agent: builder }]]) }));
    expect(asAgent).toMatchObject({ agents: [{ name: builder }], keys: [{ jkt }], unresolved: [] });
    const owning = resolve(email, facts(builderFacts, { owned: new Map([[id, [builder]]]) }));
    expect(owning).toMatchObject({ owned: [{ name: builder }], agents: [], unresolved: [id] });
  });

  it('whichever way one agent is named, a second source is heard about the same principal', () => {
    const subjects = [{ iss, client_id: 'build' }, { jkt }, { agent: 'builder' }];
    const principals = subjects.map((subject) => {
      const query = parseSubject(subject);
      return principalOf(query, resolveSubject(query, oneAgent));
    });
    expect(new Set(principals)).toEqual(new Set(['agent:builder']));
    const stranger = parseSubject({ iss, client_id: 'other' });
    expect(principalOf(stranger, resolveSubject(stranger, oneAgent))).toBe(stranger.key);
  });
});

it('only a workload is a pattern; a name that ends in /* is a name', () => {
  const known = facts([{ name: builder, identities: [{ iss, client_id: 'svc/build' }] }]);
  expect(namesOf({ iss, client_id: 'svc/*' }, known)).toEqual([]);
});
