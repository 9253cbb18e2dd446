import { configVariables } from '../src/config.ts';
import { findEventType } from '../src/core/events/event-types.ts';
import { reactions, type Reaction } from '../src/core/reactions.ts';
import type { HookKind } from '../src/hooks/kind.ts';
import { hookKinds } from '../src/hooks/kinds.ts';
import { problemReplies, problemType, type ProblemReply } from '../src/http/problem-replies.ts';

const cutOffs = { none: '–', event: 'event time', latest: 'later of event time and now' } as const;
const lapses = {
  natural: 'natural',
  life: 'longest token life',
  session: 'longest session',
  never: 'lifted',
} as const;

const optionNames = {
  header: '`--header`',
  toleranceSeconds: '`--tolerance`',
  issuer: '`--issuer`',
  keysUrl: '`--keys-url`',
} as const;
const secretsMade = { here: 'made here', there: 'made there', published: 'keys that it publishes' } as const;

/** What is written between the two marks of a document. Everything else in it is written by people. */
export type GeneratedPart = { readonly file: string; readonly name: string; readonly text: string };

export const generatedParts: readonly GeneratedPart[] = [
  { file: 'docs/operations.md', name: 'configuration', text: configurationTable() },
  { file: 'docs/problems.md', name: 'problems', text: problemTable() },
  { file: 'docs/hooks.md', name: 'hooks', text: hookTable() },
  { file: 'docs/reactions.md', name: 'reactions', text: reactionTable() },
];

/** `.env.example`, whole: every variable, commented out, with what holds without it. */
export function environmentExample(): string {
  const blocks = configVariables.map(([name, { description = '', default: fallback }]) =>
    [...wrap(description, 108).map((line) => `# ${line}`), `#${name}=${fallback ?? ''}`].join('\n'),
  );
  return `# Generated from src/config.ts by npm run docs. An empty variable is an absent one.\n\n${blocks.join('\n\n')}\n`;
}

/** The document with its part as it should be. */
export function withPart(document: string, { name, text }: GeneratedPart): string {
  const [begin, end] = [`<!-- generated: ${name} -->`, `<!-- end: ${name} -->`];
  const from = document.indexOf(begin);
  const to = document.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the document lacks ${begin} … ${end}`);
  return `${document.slice(0, from)}${begin}\n${text}\n${document.slice(to)}`;
}

function configurationTable(): string {
  const rows = configVariables.map(([name, { description = '', default: fallback, secret }]) => {
    const shown = fallback === undefined ? '' : `\`${fallback}\``;
    return `| \`${name}\` | ${shown} | ${description.replaceAll('|', '\\|')}${secret === true ? ' *Secret.*' : ''} |`;
  });
  return ['| Variable | Default | Meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

function problemTable(): string {
  const rows = Object.entries<ProblemReply>(problemReplies)
    .sort(
      ([one, { status }], [other, { status: otherStatus }]) => status - otherStatus || (one < other ? -1 : 1),
    )
    .map(([code, { status, title, retryAfterSeconds }]) => {
      const shown = status === 500 ? 'at start' : String(status);
      return `| \`${code}\` | ${shown} | ${title} | ${retryAfterSeconds === undefined ? '' : `${retryAfterSeconds} s`} |`;
    });
  const head = ['| `code` | Status | `title` | `Retry-After` |', '| --- | --- | --- | --- |'];
  return [`\`type\` is \`${problemType('<code>')}\`.`, '', ...head, ...rows].join('\n');
}

function reactionTable(): string {
  const rows = reactions.map((row: Reaction) => {
    const type = findEventType(row.event);
    const { section = '', downstreamAs = row.event } = type ?? {};
    const when = Object.entries(row.when ?? {}).map(
      ([member, values]) => `\`${member}\` ${values.join(', ')}`,
    );
    const puts = row.effect !== 'record' && row.effect !== 'lift';
    const effect = [puts ? `**${row.effect}**` : row.effect, row.owned && `owned: ${row.owned}`]
      .filter(Boolean)
      .join(', ');
    const who = `${row.aim}${row.lineage ? ' + lineage' : ''}`;
    const details = puts ? [who, cutOffs[row.cutOff], lapses[row.lapse]] : ['', '', ''];
    return `| ${[`\`${row.event}\``, section, when.join('; '), effect, ...details, row.family ?? '', downstreamAs === null ? '–' : `\`${downstreamAs}\``].join(' | ')} |`;
  });
  const head = '| Event | Defined in | When | Effect | Who | Cut-off | Until | Family | Told downstream as |';
  return [head, '| --- | --- | --- | --- | --- | --- | --- | --- | --- |', ...rows].join('\n');
}

function hookTable(): string {
  const rows = hookKinds.map(({ name, title, proof, secret, options, tailOf, reference }: HookKind) => {
    const tail = tailOf?.('<secret>');
    return `| ${[
      `[\`${name}\`](../examples/soc/${name})`,
      `[${title}](${reference})`,
      proof,
      secretsMade[secret.made],
      `\`/v1/hooks/<name>${tail === undefined ? '' : `/${tail}`}\``,
      options.map((option) => optionNames[option]).join(' '),
    ].join(' | ')} |`;
  });
  const head = '| Kind | Sender | Believed by | Secret | Path | Options |';
  return [head, '| --- | --- | --- | --- | --- | --- |', ...rows].join('\n');
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
