import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createOpenRequests, type OpenRequest } from '../../../src/enforcement/open-requests.ts';
import type { Access } from '../../../src/enforcement/index.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { type AnAgent, anAgent, anIssuer, type APoint, aPoint } from './a-point.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

async function open(
  point: APoint,
  agent: AnAgent,
  more?: { method?: string; class?: string; scope?: string },
): Promise<Access> {
  const { method = 'GET', ...route } = more ?? {};
  const outcome = await point.enforcer.check(await agent.request({ method }), route);
  if (outcome.kind === 'refusal') throw new Error(outcome.code);
  return outcome;
}

describe('an open request ends in the middle', () => {
  it('by a revocation that matches, at once, and says why', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const access = await open(point, agent);
    let fired: unknown;
    access.signal.addEventListener('abort', () => {
      fired = access.signal.reason;
    });
    const id = point.put({ match: { jkt: agent.client.jkt } });
    expect(fired).toMatchObject({ name: 'AccessEnded', code: 'revoked' });
    expect(access.reason).toMatchObject({ code: 'revoked', revocationId: id, status: 401 });
    expect(access.mayUseTool('any')).toBe(false);
    expect(point.denied).toEqual([id]);
    expect(point.enforcer.state().openRequests).toBe(0);
  });

  it('also when its signal was not asked for before', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const access = await open(point, agent);
    point.put({ match: { jkt: agent.client.jkt } });
    expect(access.signal.aborted).toBe(true);
  });

  it.each([
    ['sub', () => ({ iss: issuer.url, sub: 'agent-7' })],
    ['client_id', () => ({ iss: issuer.url, client_id: 'build-runner' })],
    ['jti', () => ({ iss: issuer.url, jti: 'token-1' })],
    ['sid', () => ({ iss: issuer.url, sid: 's1' })],
    ['an actor', () => ({ iss: issuer.url, sub: 'spiffe://td/a/b' })],
    ['a workload', () => ({ workload: 'spiffe://td/a/b' })],
    ['a pattern of workloads', () => ({ workload: 'spiffe://td/a/*' })],
    ['a whole issuer', () => ({ iss: issuer.url })],
  ])('named by %s', async (_, match) => {
    const point = aPoint(issuer);
    const access = await open(point, await anAgent(issuer, { sid: 's1', act: { sub: 'spiffe://td/a/b' } }));
    point.put({ match: match() });
    expect(access.reason).toMatchObject({ code: 'revoked' });
  });

  it('not by a revocation of somebody else, an older cut-off, or after it is closed', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const access = await open(point, agent);
    point.put({ match: { jkt: 'other' } });
    point.put({
      match: { iss: issuer.url, client_id: 'build-runner' },
      cut_off: Math.floor(Date.now() / 1_000) - 60,
    });
    expect(access.reason).toBeUndefined();
    access.close();
    access.close();
    point.put({ match: { jkt: agent.client.jkt } });
    expect(access.reason).toBeUndefined();
    expect(point.enforcer.state().openRequests).toBe(0);
  });

  it('by an obligation that it does not meet, and not by one that it meets', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const [reading, writing] = [await open(point, agent), await open(point, agent, { method: 'POST' })];
    point.put({ match: { jkt: agent.client.jkt }, effect: 'restrict', restrict: { read_only: true } });
    expect([reading.reason?.code, writing.reason?.code]).toEqual([undefined, 'restricted']);
    const scoped = await open(point, agent, { scope: 'charges:read' });
    point.put({ match: { jkt: agent.client.jkt }, effect: 'restrict', restrict: { scope: 'none' } });
    expect([reading.reason?.code, scoped.reason?.code]).toEqual([undefined, 'restricted']);
    point.put({
      match: { jkt: agent.client.jkt },
      effect: 'step_up',
      step_up: { after: Math.floor(Date.now() / 1_000) + 5 },
    });
    expect(reading.reason?.code).toBe('step-up-required');
  });

  it('when the whole set is replaced by one that names it', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const access = await open(point, agent);
    point.client.cache.apply({
      v: 1,
      op: 'put',
      id: 'rev_x',
      position: '7f3a-9',
      match: { jkt: agent.client.jkt },
      reach: 'chain',
      effect: 'deny',
      reason: 'x',
      signal_id: 'sig',
      committed_at_ms: 1,
    });
    expect(access.reason).toBeUndefined();
    point.client.onReplaced?.();
    expect(access.reason?.code).toBe('revoked');
  });
});

describe('an open request ends whatever else goes wrong', () => {
  it('its owner hears of it afterwards: a logger that throws saves nobody, at a refusal neither', async () => {
    const troubles: string[] = [];
    const accesses: Access[] = [];
    const cut: number[] = [];
    const point = aPoint(issuer, {
      onRefusal: () => {
        cut.push(accesses.filter(({ reason }) => reason).length);
        throw new Error('the disk of the log is full');
      },
      onTrouble: ({ code }) => void troubles.push(code),
    });
    const agent = await anAgent(issuer);
    accesses.push(await open(point, agent), await open(point, agent));
    point.put({ match: { jkt: agent.client.jkt } });
    expect(cut).toEqual([1, 2]);
    expect(accesses.map(({ reason }) => reason?.code)).toEqual(['revoked', 'revoked']);
    expect(await point.enforcer.check(await agent.request())).toMatchObject({ code: 'revoked' });
    expect(troubles).toEqual(['callback', 'callback', 'callback']);
  });

  it('a kill that came with an entry that makes no sense counts', async () => {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const access = await open(point, agent);
    const kill = {
      v: 1,
      op: 'put',
      id: 'rev_kill',
      position: '7f3a-2',
      match: { jkt: agent.client.jkt },
      reach: 'chain',
      effect: 'deny',
      reason: 'x',
      signal_id: 'sig',
      committed_at_ms: 1,
    } as const;
    const senseless = { ...kill, id: 'rev_odd', match: { workload: 7 as never } };
    for (const entry of [senseless, kill]) point.client.cache.apply(entry);
    point.client.onApplied?.([senseless, kill]);
    expect(access.reason?.code).toBe('revoked');
  });
});

describe('an open request ends by time', () => {
  it('at exp of its token, and when the posture of its class closes', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const [sensitive, standard, free] = [
      await open(point, agent, { class: 'sensitive' }),
      await open(point, agent),
      await open(point, agent, { class: 'public' }),
    ];
    const codes = () => [sensitive, standard, free].map(({ reason }) => reason?.code);
    point.time.staleMs = 61_000;
    vi.advanceTimersByTime(1_000);
    expect(codes()).toEqual(['knowledge-stale', undefined, undefined]);
    point.time.staleMs = 0;
    point.time.nowMs += 900_000;
    vi.advanceTimersByTime(1_000);
    expect(codes()).toEqual(['knowledge-stale', 'expired-token', 'expired-token']);
    expect(point.enforcer.state().openRequests).toBe(0);
    vi.useRealTimers();
  });
});

describe('the registry', () => {
  const aRegistry = (failures: unknown[] = []) =>
    createOpenRequests({ onFailure: (cause) => failures.push(cause) });
  const context = (index: number) => ({
    iss: 'https://i',
    sub: `s${index}`,
    client_id: `c${index % 100}`,
    jti: `j${index}`,
  });

  it('reviews those whom an entry names, and nobody else, among 10,000', () => {
    const open = aRegistry();
    const reviewed: number[] = [];
    const requests = Array.from(
      { length: 10_000 },
      (_, index): OpenRequest => ({
        context: context(index),
        review: () => void reviewed.push(index),
        reviewTime: () => undefined,
      }),
    );
    for (const request of requests) open.add(request);
    const put = (match: object) =>
      open.entriesApplied([
        {
          v: 1,
          op: 'put',
          id: 'r',
          position: 'a-1',
          match,
          reach: 'chain',
          effect: 'deny',
          reason: '',
          signal_id: '',
          committed_at_ms: 0,
        },
      ]);
    put({ iss: 'https://i', sub: 's77' });
    expect(reviewed).toEqual([77]);
    put({ iss: 'https://i', client_id: 'c5' });
    expect(reviewed.length).toBe(101);
    put({ iss: 'https://i', sub: 'nobody' });
    expect(reviewed.length).toBe(101);
    put({ iss: 'https://i' });
    expect(reviewed.length).toBe(10_101);
    for (const request of requests) open.remove(request);
    put({ iss: 'https://i', sub: 's77' });
    expect([reviewed.length, open.size]).toEqual([10_101, 0]);
  });

  it('looks at all the others when one look throws', () => {
    const failures: unknown[] = [];
    const open = aRegistry(failures);
    const looked: string[] = [];
    for (const name of ['first', 'second']) {
      const look = () => {
        looked.push(name);
        throw new Error(name);
      };
      open.add({ context: context(1), review: look, reviewTime: look });
    }
    open.reviewAll();
    open.reviewTime();
    expect(looked).toEqual(['first', 'second', 'first', 'second']);
    expect(failures).toHaveLength(4);
  });

  it('reviews one request once, however many entries name it', () => {
    const open = aRegistry();
    let reviews = 0;
    open.add({ context: context(1), review: () => (reviews += 1), reviewTime: () => undefined });
    const entry = {
      v: 1,
      op: 'put',
      position: 'a-1',
      reach: 'chain',
      effect: 'deny',
      reason: '',
      signal_id: '',
      committed_at_ms: 0,
    } as const;
    open.entriesApplied([
      { ...entry, id: 'a', match: { sub: 's1' } },
      { ...entry, id: 'b', match: { jti: 'j1' } },
      { ...entry, id: 'c', match: null as never },
    ]);
    expect(reviews).toBe(1);
  });
});
