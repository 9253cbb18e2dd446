import { Option, type Command } from 'commander';
import { signingAlgorithms } from '../../core/stream.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { fields, millisText, table } from '../text.ts';
import type { Key, Rotation } from '../wire.ts';

type RotateOptions = { readonly for: string; readonly algorithm?: string; readonly compromised?: true };

const accessTokens = 'access-tokens';

export function addKeyCommands(program: Command, bind: Bind): void {
  const key = program
    .command('key')
    .description('what SETs to receivers, and access tokens, are signed with');
  bind(key.command('list').description('list signing keys and what each does now'), ['key list'], list);
  const rotateCommand = key
    .command('rotate')
    .description('replace a signing key; the new one signs when every receiver may know it')
    .addOption(new Option('--for <what>', 'what it signs').choices(['sets', accessTokens]).default('sets'))
    .addOption(
      new Option('--algorithm <algorithm>', 'which one for SETs (default: RS256)').choices([
        ...signingAlgorithms,
      ]),
    )
    .option(
      '--compromised',
      'remove the old one at once: receivers refuse SETs until they fetch the new one, access tokens are dead',
    );
  bind<RotateOptions>(
    rotateCommand,
    ['key rotate', 'key rotate --algorithm ES256 --compromised', 'key rotate --for access-tokens'],
    rotate,
  );
}

async function list({ connect, screen }: CommandContext): Promise<ExitCode> {
  const hub = await connect();
  const page = await hub.call<{ readonly items: readonly Key[] }>('GET', '/v1/keys');
  screen.show(page, ({ items }) =>
    table(
      ['key', 'for', 'algorithm', 'state', 'signs from', 'signs until'],
      items.map((key) => [
        key.kid,
        key.for,
        key.algorithm,
        key.state,
        millisText(key.signs_from_ms),
        key.signs_until_ms === undefined ? '' : millisText(key.signs_until_ms),
      ]),
      'No keys yet: the first one is made when it is needed.',
    ),
  );
  return exitCodes.done;
}

async function rotate(
  { connect, screen }: CommandContext,
  { for: what, algorithm, compromised }: RotateOptions,
): Promise<ExitCode> {
  const hub = await connect();
  const asked = algorithm ?? (what === accessTokens ? undefined : 'RS256');
  const body = {
    for: what,
    ...(asked !== undefined && { algorithm: asked }),
    ...(compromised && { compromised }),
  };
  screen.show(await hub.call<Rotation>('POST', '/v1/keys/rotate', { body }), linesOf);
  return exitCodes.done;
}

const linesOf = ({
  kid,
  for: what,
  algorithm,
  state,
  signs_from_ms: from,
  removed,
}: Rotation): readonly string[] => [
  ...fields({
    key: kid,
    for: what,
    algorithm,
    state,
    'signs from': millisText(from),
    removed: removed.join(', '),
  }),
  state === 'published'
    ? 'Until then the one before it signs, and stays published as long as what it signed is under way.'
    : 'It signs from now on.',
];
