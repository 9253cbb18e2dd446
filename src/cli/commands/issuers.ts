import { Option, type Command } from 'commander';
import { issuerProfiles } from '../../core/issuer.ts';
import type { JsonObject } from '../../core/vocabulary.ts';
import { parseSpan, several } from '../arguments.ts';
import { CliProblem } from '../cli-problem.ts';
import type { Bind, CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import type { Hub } from '../hub.ts';
import { showPage } from '../list.ts';
import { fields, spanText } from '../text.ts';
import type { Issuer } from '../wire.ts';

type AddOptions = {
  readonly profile?: string;
  readonly jwksUri?: string;
  readonly tokenType?: readonly string[];
  readonly algorithm?: readonly string[];
  readonly clientClaim?: readonly string[];
  readonly subjectClaim?: readonly string[];
  readonly sessionClaim?: readonly string[];
  readonly maxTokenLife?: string;
  readonly skew?: string;
  readonly longestSession?: string;
};

export function addIssuerCommands(program: Command, bind: Bind): void {
  const issuer = program
    .command('issuer')
    .description('whose access tokens points accept, and how they are read');
  bind(issuer.command('list').description('list issuers'), ['issuer list'], list);
  bind(
    issuer.command('show').description('show an issuer').argument('<URL>'),
    ['issuer show https://login.example'],
    show,
  );
  const addCommand = issuer
    .command('add')
    .description('add an issuer, or replace its settings; points hear of it at once')
    .argument('<URL>', 'the `iss` of its tokens, byte for byte')
    .addOption(new Option('--profile <profile>', 'fills what is left out').choices(issuerProfiles))
    .option('--jwks-uri <url>', 'left out: found through its metadata')
    .option('--token-type <typ>', 'accepted `typ`; `none` for tokens without (may be repeated)', several)
    .option('--algorithm <alg>', 'accepted algorithm, such as ES256 (may be repeated)', several)
    .option('--client-claim <claim>', 'names the client (may be repeated, best first)', several)
    .option('--subject-claim <claim>', 'names the subject (may be repeated, best first)', several)
    .option('--session-claim <claim>', 'names the session (may be repeated, best first)', several)
    .option('--max-token-life <span>', 'points refuse tokens that live longer')
    .option('--skew <span>', 'the most that its clock runs ahead')
    .option('--longest-session <span>');
  bind<AddOptions>(
    addCommand,
    ['issuer add https://login.example/realms/prod --profile keycloak --max-token-life 15m'],
    add,
  );
  bind(
    issuer.command('remove').description('points refuse its tokens; its revocations stay').argument('<URL>'),
    ['issuer remove https://login.example'],
    remove,
  );
}

const read = (hub: Hub): Promise<{ readonly items: readonly Issuer[] }> => hub.call('GET', '/v1/issuers');

async function list({ connect, screen }: CommandContext): Promise<ExitCode> {
  showPage(screen, await read(await connect()), {
    header: ['issuer', 'profile', 'longest life', 'client is'],
    cells: ({ url, profile, max_token_life: life, client_claims: claims }) => [
      url,
      profile,
      spanText(life * 1_000),
      claims.join(', '),
    ],
    empty: 'No issuers: points accept no tokens. Add one: caep-hub issuer add URL --profile PROFILE',
  });
  return exitCodes.done;
}

async function show(
  { connect, screen }: CommandContext,
  _: object,
  [url = '']: readonly string[],
): Promise<ExitCode> {
  const { items } = await read(await connect());
  const issuer = items.find((one) => one.url === url);
  if (issuer === undefined) {
    throw new CliProblem(exitCodes.refused, 'not-found', `There is no issuer ${url}.`, {
      hint: 'caep-hub issuer list shows them; the URL must be equal byte for byte.',
    });
  }
  screen.show(issuer, linesOf);
  return exitCodes.done;
}

const lookWith = (url: string): string => `caep-hub issuer show ${url}`;

async function add(
  { connect, screen }: CommandContext,
  options: AddOptions,
  [url = '']: readonly string[],
): Promise<ExitCode> {
  const body = { url, ...membersOf(options) };
  const hub = await connect();
  screen.show(await hub.call<Issuer>('PUT', '/v1/issuers', { body, lookWith: lookWith(url) }), linesOf);
  return exitCodes.done;
}

async function remove(
  { connect, screen }: CommandContext,
  _: object,
  [url = '']: readonly string[],
): Promise<ExitCode> {
  const hub = await connect();
  await hub.call('DELETE', '/v1/issuers', { query: { url }, lookWith: lookWith(url) });
  screen.show({ removed: url }, () => [`${url} is removed: points refuse its tokens. Its revocations stay.`]);
  return exitCodes.done;
}

function membersOf(options: AddOptions): JsonObject {
  const { profile, jwksUri, tokenType, algorithm, clientClaim, subjectClaim, sessionClaim } = options;
  const seconds = (option: string, text: string): number => Math.round(parseSpan(option, text) / 1_000);
  const { maxTokenLife, skew, longestSession } = options;
  return {
    ...(profile !== undefined && { profile }),
    ...(jwksUri !== undefined && { jwks_uri: jwksUri }),
    ...(tokenType !== undefined && { token_types: tokenType }),
    ...(algorithm !== undefined && { algorithms: algorithm }),
    ...(clientClaim !== undefined && { client_claims: clientClaim }),
    ...(subjectClaim !== undefined && { subject_claims: subjectClaim }),
    ...(sessionClaim !== undefined && { session_claims: sessionClaim }),
    ...(maxTokenLife !== undefined && { max_token_life: seconds('--max-token-life', maxTokenLife) }),
    ...(skew !== undefined && { skew: seconds('--skew', skew) }),
    ...(longestSession !== undefined && { longest_session: seconds('--longest-session', longestSession) }),
  };
}

const linesOf = (issuer: Issuer): readonly string[] =>
  fields({
    issuer: issuer.url,
    profile: issuer.profile,
    keys: issuer.jwks_uri ?? 'found through its metadata',
    typ: issuer.token_types.join(', '),
    algorithms: issuer.algorithms.join(', '),
    'client is': issuer.client_claims.join(', '),
    'subject is': issuer.subject_claims.join(', '),
    'session is': issuer.session_claims.join(', '),
    'longest life': spanText(issuer.max_token_life * 1_000),
    skew: spanText(issuer.skew * 1_000),
    'longest session': spanText(issuer.longest_session * 1_000),
  });
