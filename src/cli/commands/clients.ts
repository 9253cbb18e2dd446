import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { streamProfiles } from '../../core/stream.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import { several } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import { addCallerIssuerCommands } from './caller-issuers.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { path } from '../hub.ts';
import { bindList, type Listing } from '../list.ts';
import { fields, millisText } from '../text.ts';
import type { Client, NewClient } from '../wire.ts';

type CreateOptions = {
  readonly scope: readonly string[];
  readonly description?: string;
  readonly auth?: string;
  readonly jwks?: string;
  readonly dpop?: true;
  readonly profile?: string;
  readonly source?: string;
  readonly issuer?: string;
  readonly issuerClient?: string;
  readonly issuerSub?: string;
  readonly person?: true;
};

export function addClientCommands(program: Command, bind: Bind): void {
  const client = program.command('client').description('programs that call with OAuth access tokens');
  bindList(
    bind,
    client.command('list').description('list clients, never their secrets'),
    ['client list'],
    list,
  );
  bind(
    client.command('show').description('show a client').argument('<CLIENT_ID>'),
    ['client show soc-receiver'],
    show,
  );
  const createCommand = client
    .command('create')
    .description('make a client; prints its secret, this once, unless its tokens come from elsewhere')
    .argument('<CLIENT_ID>', 'what it is called')
    .requiredOption('--scope <scope>', 'the most that its tokens can do (may be repeated)', several)
    .option('--description <text>')
    .addOption(
      new Option('--auth <method>', 'how it proves who it is (default: client_secret_basic)').choices([
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
      ]),
    )
    .option('--jwks <file>', 'its public keys, a JWK Set; goes with private_key_jwt')
    .option('--dpop', 'its tokens are bound to a key of its own')
    .addOption(new Option('--profile <profile>', 'what its streams obey').choices(streamProfiles))
    .option('--source <source>', 'the source it speaks for (default: one named after it)')
    .option('--issuer <url>', 'its tokens come from this issuer: see client issuer add')
    .option('--issuer-client <client_id>', 'what that issuer calls it as a client')
    .option('--issuer-sub <sub>', 'what that issuer calls it as a subject')
    .option('--person', 'with all three: a person at a keyboard');
  bind<CreateOptions>(
    createCommand,
    [
      'client create soc-receiver --scope ssf.read --scope ssf.manage --profile caep-interop-1.0-draft-02',
      'client create ci --scope signals.write --auth private_key_jwt --jwks keys.json --dpop',
      'client create soar --scope signals.write --issuer https://login.example --issuer-client soar-prod',
    ],
    create,
  );
  addCallerIssuerCommands(client, bind);
  bind(
    client
      .command('revoke')
      .description('revoke a client and all its tokens at once; feeds opened with them are cut')
      .argument('<CLIENT_ID>'),
    ['client revoke soc-receiver'],
    revoke,
  );
}

const list = (): Listing<Client> => ({
  path: '/v1/clients',
  header: ['client', 'state', 'authentication', 'scopes'],
  cells: (client) => [
    client.client_id,
    stateOf(client),
    wayOf(client) + (client.dpop_bound ? ', DPoP' : ''),
    client.scopes.join(' '),
  ],
  empty: 'No clients.',
});

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  screen.show(await hub.call<Client>('GET', path`/v1/clients/${id}`), linesOf);
  return exitCodes.done;
}

async function create(
  { connect, screen, surroundings }: CommandContext,
  { scope, description, auth, jwks, dpop, profile, source, person, ...named }: CreateOptions,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const body: JsonObject = {
    client_id: id,
    scopes: scope,
    ...(description !== undefined && { description }),
    ...(auth !== undefined && { auth_method: auth }),
    ...(jwks !== undefined && { jwks: await readKeySet(resolve(surroundings.workingDirectory, jwks)) }),
    ...(dpop === true && { dpop_bound: dpop }),
    ...(profile !== undefined && { profile }),
    ...(source !== undefined && { source }),
    ...externalOf(named),
    ...(person === true && { person }),
  };
  const hub = await connect();
  screen.show(await hub.call<NewClient>('POST', '/v1/clients', { body }), (made) => [
    ...linesOf(made),
    ...fields({
      issuer: made.issuer,
      'token endpoint': made.token_endpoint,
      'tokens are for': made.audience,
    }),
    ...(made.client_secret === undefined ? [] : ['The secret, shown this once:', made.client_secret]),
  ]);
  return exitCodes.done;
}

function externalOf({ issuer, issuerClient, issuerSub }: Partial<CreateOptions>): JsonObject {
  if (issuer === undefined) {
    if (issuerClient === undefined && issuerSub === undefined) return {};
    throw wrongUsage('--issuer-client and --issuer-sub go with --issuer.');
  }
  return {
    external: {
      iss: issuer,
      ...(issuerClient !== undefined && { client_id: issuerClient }),
      ...(issuerSub !== undefined && { sub: issuerSub }),
    },
  };
}

async function readKeySet(file: string): Promise<JsonObject> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as JsonObject;
  } catch {
    throw wrongUsage(`--jwks: ${file} is no JSON file that can be read`);
  }
}

async function revoke(
  { connect, screen }: CommandContext,
  _: object,
  [id = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('DELETE', path`/v1/clients/${id}`);
  screen.show({ revoked: id }, () => [`${id} is revoked.`]);
  return exitCodes.done;
}

const linesOf = (client: Client): readonly string[] =>
  fields({
    client: client.client_id,
    description: client.description,
    state: stateOf(client),
    'may ask for': client.scopes.join(' '),
    authentication: client.auth_method,
    ...namesOf(client),
    'its tokens': client.dpop_bound ? 'are bound to its key' : 'are bound where it proves a key',
    'its streams': client.profile && `obey ${client.profile}`,
    'speaks for': client.source,
  });

const namesOf = ({ external, person }: Client): Record<string, string | undefined> =>
  external === undefined
    ? {}
    : {
        'tokens of': external.iss,
        'with client_id': external.client_id,
        'with sub': external.sub,
        'speaks as': person ? 'a person' : 'a program',
      };

const wayOf = ({ auth_method: own, external }: Client): string => own ?? external?.iss ?? '';

const stateOf = ({ created_at_ms: created, revoked_at_ms: revoked }: Client): string =>
  revoked === undefined ? `since ${millisText(created)}` : `revoked ${millisText(revoked)}`;
