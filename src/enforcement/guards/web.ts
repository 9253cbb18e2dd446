import type { Refusal } from '../refusal.ts';

/** The answer for a web-standard handler. */
export const toResponse = ({ status, headers, body }: Refusal): Response =>
  new Response(JSON.stringify(body), { status, headers: { ...headers } });
