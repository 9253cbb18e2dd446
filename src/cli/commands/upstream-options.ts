import { type Command, Option } from 'commander';
import type { JsonObject } from '../../core/vocabulary.ts';
import { parseSpan, several } from '../arguments.ts';
import { wrongUsage } from '../cli-problem.ts';
import { readSecret } from '../read-secret.ts';
import type { Surroundings } from '../surroundings.ts';

/** What may be said of an upstream at first and later. */
export type SettingOptions = {
  readonly metadataUrl?: string;
  readonly push?: true;
  readonly poll?: true;
  readonly algorithm?: string;
  readonly event?: readonly string[];
  readonly verifyEvery?: string;
  readonly subjectInEvent?: true;
  readonly typMayBeMissing?: true;
  readonly jwksUri?: string;
  readonly audience?: readonly string[];
  readonly pollUrl?: string;
  readonly tokenFile?: string;
  readonly client?: string;
  readonly secretFile?: string;
  readonly auth?: string;
  readonly tokenEndpoint?: string;
  readonly authorizationServer?: string;
  readonly scope?: string;
  readonly resource?: string;
};

export const withSettings = (command: Command): Command =>
  command
    .option('--metadata-url <url>', 'its metadata, where that is not where SSF 1.0 §7.2.1 puts it')
    .addOption(new Option('--poll', 'SETs are fetched (RFC 8936)').conflicts('push'))
    .option('--push', 'SETs are pushed here (RFC 8935; the default)')
    .option('--algorithm <name>', 'the one JWS algorithm of its SETs (default: RS256)')
    .option(
      '--event <type>',
      'what its stream is asked for (may be repeated; default: CAEP and RISC)',
      several,
    )
    .option('--verify-every <span>', 'its stream is verified so often (default: 1h)')
    .option('--token-file <file>', 'holds a token that its operator gave out; "-" is stdin')
    .option('--client <id>', 'client of the hub at its authorization server')
    .option('--secret-file <file>', 'with --client: holds the secret; "-" is stdin')
    .addOption(
      new Option('--auth <method>', 'with --client (private_key_jwt: the hub makes the key)').choices([
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
      ]),
    )
    .option('--token-endpoint <url>', 'with --client; left out: found through metadata')
    .option('--authorization-server <issuer>', 'with --client; left out: the one that the Transmitter names')
    .option('--scope <scopes>', 'with --client: what its tokens are for')
    .option('--resource <url>', 'with --client: whom its tokens are for (RFC 8707)')
    .option('--subject-in-event', 'from before SSF 1.0: the subject may stand in the event')
    .option('--typ-may-be-missing', 'from before RFC 8417: SETs need no typ')
    .option('--jwks-uri <url>', 'without management API: where its keys are')
    .option('--audience <aud>', 'without management API: the aud of its SETs (may be repeated)', several)
    .option('--poll-url <url>', 'without management API: where SETs are fetched');

/** As the API has it. @throws CliProblem for options that do not go together. */
export async function settingsOf(
  options: SettingOptions,
  surroundings: Pick<Surroundings, 'stdin'>,
): Promise<JsonObject> {
  const { metadataUrl, algorithm, event, verifyEvery } = options;
  const credentials = await credentialsOf(options, surroundings);
  const unmanaged = unmanagedOf(options);
  const delivery = options.poll === true ? 'poll' : options.push === true ? 'push' : undefined;
  return {
    ...(metadataUrl !== undefined && { metadata_url: metadataUrl }),
    ...(delivery !== undefined && { delivery }),
    ...(algorithm !== undefined && { algorithm }),
    ...(event !== undefined && { events: event }),
    ...(verifyEvery !== undefined && {
      verify_every_seconds: Math.round(parseSpan('--verify-every', verifyEvery) / 1_000),
    }),
    ...(options.subjectInEvent === true && { subject_in_event: true }),
    ...(options.typMayBeMissing === true && { typ_may_be_missing: true }),
    ...(unmanaged !== undefined && { unmanaged }),
    ...(credentials !== undefined && { credentials }),
  };
}

async function credentialsOf(
  options: SettingOptions,
  surroundings: Pick<Surroundings, 'stdin'>,
): Promise<JsonObject | undefined> {
  const { tokenFile, client, secretFile, auth, tokenEndpoint, authorizationServer, scope, resource } =
    options;
  const ofClient = { secretFile, auth, tokenEndpoint, authorizationServer, scope, resource };
  const given = Object.values(ofClient).some((value) => value !== undefined);
  if (client === undefined && given) throw wrongUsage('A client has a name.', 'Add --client ID.');
  if (tokenFile !== undefined) {
    if (client !== undefined) throw wrongUsage('--token-file and --client are two ways of one thing.');
    return { kind: 'token', token: await readSecret('--token-file', tokenFile, surroundings) };
  }
  if (client === undefined) return undefined;
  return {
    kind: 'client',
    client_id: client,
    ...(auth !== undefined && { method: auth }),
    ...(secretFile !== undefined && {
      client_secret: await readSecret('--secret-file', secretFile, surroundings),
    }),
    ...(tokenEndpoint !== undefined && { token_endpoint: tokenEndpoint }),
    ...(authorizationServer !== undefined && { authorization_server: authorizationServer }),
    ...(scope !== undefined && { scope }),
    ...(resource !== undefined && { resource }),
  };
}

function unmanagedOf({ jwksUri, audience, pollUrl }: SettingOptions): JsonObject | undefined {
  if (jwksUri === undefined && audience === undefined && pollUrl === undefined) return undefined;
  if (jwksUri === undefined || audience === undefined) {
    throw wrongUsage(
      'Without management API both --jwks-uri and --audience are needed.',
      'Its operator knows them. With a management API leave both out, and --poll-url too.',
    );
  }
  return { jwks_uri: jwksUri, audience, ...(pollUrl !== undefined && { poll_url: pollUrl }) };
}
