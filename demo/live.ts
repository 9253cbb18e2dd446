import type { Agent } from './agent.ts';

/** A streaming response as it comes in. */
export type LiveResponse = {
  readonly status: number;
  readonly amounts: readonly number[];
  /** When it broke off, on `performance.now()`; absent while it is open. */
  readonly cutAtMs: number | undefined;
};

export async function openLive(agent: Agent, url: string): Promise<LiveResponse> {
  const { status, response } = await agent.open(url);
  const amounts: number[] = [];
  let cutAtMs: number | undefined;
  const cut = () => {
    cutAtMs ??= performance.now();
  };
  response.setEncoding('utf8');
  response.on('data', (text: string) => {
    for (const line of text.split('\n'))
      if (line !== '') amounts.push((JSON.parse(line) as { amount: number }).amount);
  });
  response.on('error', cut);
  response.on('close', cut);
  return {
    status,
    amounts,
    get cutAtMs() {
      return cutAtMs;
    },
  };
}
