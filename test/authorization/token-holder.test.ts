import { expect, it } from 'vitest';
import { createClientDirectory } from '../../src/authorization/client-directory.ts';
import { holderOf } from '../../src/authorization/token-holder.ts';
import type { VerifiedToken } from '../../src/enforcement/token.ts';

const ownIssuer = 'https://hub.example/oauth';
const aToken = (context: object): VerifiedToken =>
  ({ context, claims: {}, binding: { kind: 'none' } }) as unknown as VerifiedToken;

function nobodyKnown() {
  let reads = 0;
  const read = async () => {
    reads += 1;
    return undefined;
  };
  const clients = createClientDirectory({
    store: { find: read, findExternal: read },
    announcer: { subscribe: () => () => undefined },
  });
  return { clients, reads: () => reads };
}

it.each([
  ['ours', { iss: ownIssuer, client_id: 'soc' }, 'client:soc'],
  [
    'of an issuer elsewhere, never as a client of ours',
    { iss: 'https://login.example', client_id: 'soc', sub: 's' },
    'https://login.example soc s',
  ],
  ['one without names', { iss: 'https://login.example' }, 'https://login.example - -'],
  [
    'one with a name that forges a line',
    { iss: 'https://login.example', client_id: 'a\nb', sub: 'x'.repeat(129) },
    'https://login.example (not readable) (not readable)',
  ],
])('DESIGN §12: the audit names whose token is refused: %s', async (_name, context, actor) => {
  const holder = await holderOf(aToken(context), ownIssuer, nobodyKnown().clients);
  expect(holder).toMatchObject({ kind: 'nobody', actor });
});

it('names of nobody are asked for once in a while, and not with every request', async () => {
  const { clients, reads } = nobodyKnown();
  const token = aToken({ iss: 'https://login.example', client_id: 'nobody' });
  for (let count = 0; count < 5; count++) await holderOf(token, ownIssuer, clients);
  expect(reads()).toBe(1);
});
