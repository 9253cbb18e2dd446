import { randomUUID } from 'node:crypto';

const styles = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;
type Style = keyof typeof styles;
export type Paint = Readonly<Record<Style, (text: string) => string>>;

/**
 * What stands for a style until a line is written. It is made anew for each process and leaves it never, so that no text
 * of others can hold one: whatever else looks like a style is spelt out with all that drives a terminal.
 */
const secret = randomUUID();
const markOf = (code: number): string => `<${secret}:${code}>`;
const marks = new RegExp(`<${secret}:(\\d+)>`, 'g');

const each = (make: (style: Style) => (text: string) => string): Paint => ({
  bold: make('bold'),
  dim: make('dim'),
  red: make('red'),
  green: make('green'),
  yellow: make('yellow'),
});

/** For terminals: what it paints is seen as colours once `toTerminal` has had it. */
export const painting = each((style) => (text) => markOf(styles[style]) + text + markOf(0));
export const plain = each(() => (text) => text);

/** The last step of a line: marks become what a terminal understands. */
export const toTerminal = (line: string): string => line.replace(marks, (_, code) => `\u001b[${code}m`);

/** The text that is seen. */
export const unpainted = (text: string): string => text.replace(marks, '');
