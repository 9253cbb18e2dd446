import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toResponse } from '../../../src/enforcement/index.ts';
import type { AnIssuer } from '../token/an-issuer.ts';
import { type AnAgent, anAgent, anIssuer, aPoint, origin } from '../enforcer/a-point.ts';

let issuer: AnIssuer;
beforeAll(async () => {
  issuer = await anIssuer();
});
afterAll(() => issuer.close());

const requestOf = async (agent: AnAgent, path = '/charges') =>
  new Request(origin + path, { headers: (await agent.request({ path })).headers as Record<string, string> });

describe('a web-standard handler', () => {
  it('answers a refusal as it stands', async () => {
    const outcome = await aPoint(issuer).enforcer.check(new Request(`${origin}/charges`));
    if (outcome.kind === 'access') throw new Error('it was let pass');
    const response = toResponse(outcome);
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toMatch(/^DPoP algs=/);
    expect(await response.json()).toMatchObject({ code: 'no-credentials', retry: 'new-token' });
  });

  async function streaming() {
    const point = aPoint(issuer);
    const agent = await anAgent(issuer);
    const access = await point.enforcer.check(await requestOf(agent));
    if (access.kind === 'refusal') throw new Error(access.code);
    let cancelled: unknown;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(Buffer.from('first')),
      cancel: (why) => {
        cancelled = why;
      },
    });
    const response = access.guard(new Response(body, { status: 206, headers: { 'x-kept': 'yes' } }));
    return { point, agent, response, cancelled: () => cancelled };
  }

  it('a body under way breaks off, and its source is told why', async () => {
    const { point, agent, response, cancelled } = await streaming();
    expect([response.status, response.headers.get('x-kept')]).toEqual([206, 'yes']);
    const reader = response.body?.getReader();
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe('first');
    point.put({ match: { jkt: agent.client.jkt } });
    await expect(reader?.read()).rejects.toMatchObject({ name: 'AccessEnded', code: 'revoked' });
    expect(cancelled()).toMatchObject({ code: 'revoked' });
  });

  it('an access that has ended is answered with the refusal, whether the answer has a body or not', async () => {
    for (const answer of [new Response('whole'), new Response(null, { status: 204 })]) {
      const point = aPoint(issuer);
      const agent = await anAgent(issuer);
      const access = await point.enforcer.check(await requestOf(agent));
      if (access.kind === 'refusal') throw new Error(access.code);
      point.put({ match: { jkt: agent.client.jkt } });
      const response = access.guard(answer);
      expect([response.status, await response.json()]).toMatchObject([401, { code: 'revoked' }]);
      expect(answer.body?.locked ?? false).toBe(false);
      expect(point.enforcer.state().openRequests).toBe(0);
    }
  });

  it('nothing stays open when the body ends, is cancelled, or is not there', async () => {
    const { point, agent, response } = await streaming();
    expect(point.enforcer.state().openRequests).toBe(1);
    await response.body?.cancel();
    await expect.poll(() => point.enforcer.state().openRequests).toBe(0);
    for (const answer of [new Response('whole'), new Response(null, { status: 204 })]) {
      const access = await point.enforcer.check(await requestOf(agent));
      if (access.kind === 'refusal') throw new Error(access.code);
      await access.guard(answer).text();
      await expect.poll(() => point.enforcer.state().openRequests).toBe(0);
    }
  });
});
