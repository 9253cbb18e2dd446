import { describe, expect, it } from 'vitest';
import { createScreen, cutTo, type Screen, widthOf } from '../../src/cli/screen.ts';

const escape = '\u001b';
const forged = `${escape}[32mENFORCED 3/3${escape}[0m`;

function aScreen({ json = false, isTTY = true, env = {} } = {}): { screen: Screen; written: string[] } {
  const written: string[] = [];
  const terminal = { isTTY, columns: 80, write: (text: string) => void written.push(text) };
  return { screen: createScreen({ stdout: terminal, stderr: terminal, env }, json), written };
}

describe('text of others', () => {
  it.each([
    ['a terminal', {}],
    ['a terminal whose owner wants no colours', { env: { NO_COLOR: '1' } }],
    ['a file', { isTTY: false }],
  ])('cannot paint itself in our colours on %s', (_, setting) => {
    const { screen, written } = aScreen(setting);
    screen.line(forged);
    screen.note(forged);
    screen.append({}, () => forged);
    expect(written.join('')).not.toContain(escape);
    expect(written[0]).toBe('\\u{1b}[32mENFORCED 3/3\\u{1b}[0m\n');
  });

  it('stays spelt out where we paint it, and the paint is seen', () => {
    const { screen, written } = aScreen();
    screen.line(screen.paint.red(`a${escape}[0mb`));
    expect(written[0]).toBe(`${escape}[31ma\\u{1b}[0mb${escape}[0m\n`);
  });

  it('as JSON has nothing that a terminal obeys or hides, and reads back as it was', () => {
    const { screen, written } = aScreen({ json: true });
    const hidden = '\u007f\u009b\u00ad\u061c\u200b\u202e\u2060\u2061\u2064\u2069\ufeff\u{e0041}';
    screen.show({ text: hidden }, () => []);
    screen.append({ text: hidden }, () => '');
    for (const document of written) {
      expect(document.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(JSON.parse(document)).toEqual({ text: hidden });
    }
  });
});

it('paint has no width, and is left out of what is cut', () => {
  const { paint } = aScreen().screen;
  expect(widthOf(paint.bold('four'))).toBe(4);
  expect(cutTo(paint.bold('abcdef'), 4)).toBe('abc…');
});
