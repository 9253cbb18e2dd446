import type { Command } from 'commander';
import type { JsonObject } from '../../core/vocabulary.ts';
import { parseSpan, several } from '../arguments.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing } from '../list.ts';
import { fields, millisText } from '../text.ts';
import type { NewToken, Token } from '../wire.ts';

type CreateOptions = {
  readonly scope: readonly string[];
  readonly source?: string;
  readonly person?: true;
  readonly expires?: string;
  readonly point?: string;
};

export function addTokenCommands(program: Command, bind: Bind): void {
  const token = program.command('token').description('who may call the hub');
  bindList(bind, token.command('list').description('list tokens, never their secrets'), ['token list'], list);
  bind(
    token.command('show').description('show a token, never its secret').argument('<ID>', 'tok_…'),
    ['token show tok_01JD…'],
    show,
  );
  const createCommand = token
    .command('create')
    .description('make a token; prints its secret, this once')
    .argument('<HOLDER>', 'who will hold it, as the audit names them')
    .requiredOption('--scope <scope>', 'what it may do (may be repeated)', several)
    .option('--source <source>', 'the source it speaks for (default: one named after the holder)')
    .option('--person', 'its source speaks for a person: kills pass the brake')
    .option('--expires <span>', 'after so long, such as 90d')
    .option('--point <point>', 'the enforcement point it is for; goes with the scope point');
  bind<CreateOptions>(
    createCommand,
    ['token create splunk --scope signals.write --scope signals.read --expires 90d'],
    create,
  );
  bind(
    token
      .command('revoke')
      .description('revoke a token at once; feeds opened with it are cut')
      .argument('<ID>', 'tok_…'),
    ['token revoke tok_01JD…'],
    revoke,
  );
}

const list = (): Listing<Token> => ({
  path: '/v1/tokens',
  header: ['token', 'holder', 'state', 'last used', 'scopes'],
  cells: (token) => [token.id, token.actor, stateOf(token), lastUseOf(token), token.scopes.join(' ')],
  empty: 'No tokens.',
});

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  screen.show(await hub.call<Token>('GET', path`/v1/tokens/${id}`), (token) =>
    fields({
      token: token.id,
      holder: token.actor,
      state: stateOf(token),
      source: token.source,
      point: token.point,
      scopes: token.scopes.join(' '),
      made: millisText(token.created_at_ms),
      'last used': lastUseOf(token),
    }),
  );
  return exitCodes.done;
}

async function create(
  { connect, screen }: CommandContext,
  { scope, source, person, expires, point }: CreateOptions,
  [actor = '']: readonly string[],
): Promise<ExitCode> {
  const body: JsonObject = {
    actor,
    scopes: scope,
    ...(source !== undefined && { source }),
    ...(person === true && { person }),
    ...(expires !== undefined && { expires_in: Math.round(parseSpan('--expires', expires) / 1_000) }),
    ...(point !== undefined && { point }),
  };
  const hub = await connect();
  const lookWith = 'caep-hub token list; one whose secret is lost is to be revoked';
  screen.show(await hub.call<NewToken>('POST', '/v1/tokens', { body, lookWith }), (made) => [
    `${made.id} for ${made.actor}: ${made.scopes.join(' ')}. The secret, shown this once:`,
    made.token,
  ]);
  return exitCodes.done;
}

async function revoke(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('DELETE', path`/v1/tokens/${id}`, { lookWith: `caep-hub token show ${id}` });
  screen.show({ revoked: id }, () => [`${id} is revoked.`]);
  return exitCodes.done;
}

const lastUseOf = ({ last_used_at_ms: used }: Token): string =>
  used === undefined ? 'never' : millisText(used);

function stateOf({ revoked_at_ms: revoked, expires_at_ms: expires }: Token): string {
  if (revoked !== undefined) return `revoked ${millisText(revoked)}`;
  return expires === undefined ? 'does not expire' : `until ${millisText(expires)}`;
}
