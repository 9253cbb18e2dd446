import { Option, type Command } from 'commander';
import { issuerProfiles } from '../../core/issuer.ts';
import { parseSpan, several } from '../arguments.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { showPage } from '../list.ts';
import { fields, spanText } from '../text.ts';
import type { CallerIssuer } from '../wire.ts';

type AddOptions = {
  readonly profile?: string;
  readonly jwksUri?: string;
  readonly tokenType?: readonly string[];
  readonly algorithm?: readonly string[];
  readonly clientClaim?: readonly string[];
  readonly subjectClaim?: readonly string[];
  readonly maxTokenLife?: string;
};

const path = '/v1/caller-issuers';

/** `client issuer …`: who is believed about callers. */
export function addCallerIssuerCommands(client: Command, bind: Bind): void {
  const issuer = client
    .command('issuer')
    .description('issuers elsewhere that are trusted with who calls the hub');
  bind(issuer.command('list').description('list them'), ['client issuer list'], list);
  const addCommand = issuer
    .command('add')
    .description('trust an issuer about callers, or replace how its tokens are read; lets in nobody yet')
    .argument('<URL>', 'the `iss` of its tokens, byte for byte')
    .addOption(new Option('--profile <profile>', 'fills what is left out').choices(issuerProfiles))
    .option('--jwks-uri <url>', 'left out: found through its metadata')
    .option('--token-type <typ>', 'accepted `typ`; `none` for tokens without (may be repeated)', several)
    .option('--algorithm <alg>', 'accepted algorithm, such as ES256 (may be repeated)', several)
    .option('--client-claim <claim>', 'names the client (may be repeated, best first)', several)
    .option('--subject-claim <claim>', 'names the subject (may be repeated, best first)', several)
    .option('--max-token-life <span>', 'tokens that live longer are refused (default: 1h)');
  bind<AddOptions>(
    addCommand,
    ['client issuer add https://login.example/realms/staff --profile keycloak'],
    add,
  );
  bind(
    issuer
      .command('remove')
      .description('trust it no more: its tokens are refused at once, and what they opened is cut')
      .argument('<URL>'),
    ['client issuer remove https://login.example/realms/staff'],
    remove,
  );
}

async function list({ connect, screen }: CommandContext): Promise<ExitCode> {
  const hub = await connect();
  showPage(screen, await hub.call<{ readonly items: readonly CallerIssuer[] }>('GET', path), {
    header: ['issuer', 'profile', 'longest life', 'client is'],
    cells: ({ url, profile, max_token_life: life, client_claims: claims }) => [
      url,
      profile,
      spanText(life * 1_000),
      claims.join(', '),
    ],
    empty: 'None: callers have API tokens, or access tokens of the hub itself.',
  });
  return exitCodes.done;
}

const lookWith = 'caep-hub client issuer list';

async function add(
  { connect, screen }: CommandContext,
  options: AddOptions,
  [url = '']: readonly string[],
): Promise<ExitCode> {
  const { profile, jwksUri, tokenType, algorithm, clientClaim, subjectClaim, maxTokenLife: life } = options;
  const body = {
    url,
    ...(profile !== undefined && { profile }),
    ...(jwksUri !== undefined && { jwks_uri: jwksUri }),
    ...(tokenType !== undefined && { token_types: tokenType }),
    ...(algorithm !== undefined && { algorithms: algorithm }),
    ...(clientClaim !== undefined && { client_claims: clientClaim }),
    ...(subjectClaim !== undefined && { subject_claims: subjectClaim }),
    ...(life !== undefined && { max_token_life: Math.round(parseSpan('--max-token-life', life) / 1_000) }),
  };
  const hub = await connect();
  screen.show(await hub.call<CallerIssuer>('PUT', path, { body, lookWith }), linesOf);
  return exitCodes.done;
}

async function remove(
  { connect, screen }: CommandContext,
  _: object,
  [url = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('DELETE', path, { query: { url }, lookWith });
  screen.show({ removed: url }, () => [
    `${url} is trusted no more. Clients that it names stay: client revoke.`,
  ]);
  return exitCodes.done;
}

const linesOf = (issuer: CallerIssuer): readonly string[] => [
  ...fields({
    issuer: issuer.url,
    profile: issuer.profile,
    keys: issuer.jwks_uri ?? 'found through its metadata',
    typ: issuer.token_types.join(', '),
    algorithms: issuer.algorithms.join(', '),
    'client is': issuer.client_claims.join(', '),
    'subject is': issuer.subject_claims.join(', '),
    'longest life': spanText(issuer.max_token_life * 1_000),
  }),
  'Now say who is let in: caep-hub client create NAME --issuer URL --issuer-client ID --scope SCOPE',
];
