/** What the story prints: aligned, coloured on a terminal only, and a count of what was seen. */
export type Screen = {
  line(text?: string): void;
  /** A step's number and title, with a remark at the right. */
  step(number: number, title: string, remark?: string): void;
  /** One claim of the story: shown as it was, counted as seen or named as missing. */
  seen(claim: string, holds: boolean): void;
  readonly seenCount: number;
  readonly claimCount: number;
  /** The first claim that did not hold. */
  readonly missing: string | undefined;
};

const remarkColumn = 46;

export function createScreen(out: NodeJS.WriteStream, noColor: boolean): Screen {
  const isColoured = out.isTTY && !noColor;
  const claims: { readonly claim: string; readonly holds: boolean }[] = [];
  const write = (text: string) => void out.write(`${isColoured ? coloured(text) : text}\n`);
  return {
    line: (text = '') => write(text),
    step(number, title, remark = '') {
      write('');
      write(`${`${number} ${title}`.padEnd(remarkColumn)}${remark}`.trimEnd());
    },
    seen: (claim, holds) => void claims.push({ claim, holds }),
    get seenCount() {
      return claims.filter(({ holds }) => holds).length;
    },
    get claimCount() {
      return claims.length;
    },
    get missing() {
      return claims.find(({ holds }) => !holds)?.claim;
    },
  };
}

const escapes = {
  bold: '\u001b[1m',
  red: '\u001b[31m',
  green: '\u001b[32m',
  yellow: '\u001b[33m',
  off: '\u001b[0m',
};

function coloured(text: string): string {
  if (/^\d [A-Z]/.test(text)) return `${escapes.bold}${text}${escapes.off}`;
  return text
    .replaceAll(/\b(401|CUT|DEAD[A-Z ]*|AWAY|kill -9)\b/g, `${escapes.red}$1${escapes.off}`)
    .replaceAll(/\b(200|applied|ENFORCED)\b/g, `${escapes.green}$1${escapes.off}`)
    .replaceAll(/\b(503|exposed)\b/g, `${escapes.yellow}$1${escapes.off}`);
}

const bars = '▁▂▃▄▅▆▇';

/** The amounts of a live stream as a small picture: the newest at the right. */
export const sparkline = (amounts: readonly number[], width = 12): string =>
  amounts
    .slice(-width)
    .map((amount) => bars[Math.min(bars.length - 1, Math.max(0, Math.floor(amount * bars.length)))])
    .join('');

/** `0.9 ms`, `31 ms`, `2.3 s`, `14 min 41 s`. */
export function span(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.floor((ms % 60_000) / 1_000)} s`;
}
