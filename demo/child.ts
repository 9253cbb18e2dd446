import type { Said, Settings } from './contract.ts';

/** Tells the parent; a child that was started by hand prints instead. */
export function say(said: Said): void {
  if (process.send) process.send(said);
  else process.stdout.write(`${JSON.stringify(said)}\n`);
}

/** The parent hands settings over as the one argument, and the child ends when its parent does. */
export function settingsFromParent<Expected extends Settings>(role: Expected['role']): Expected {
  process.on('disconnect', () => process.exit(0));
  const settings = JSON.parse(process.argv[2] ?? 'null') as Settings | null;
  if (settings?.role !== role)
    throw new Error(`start this with the demo: npm run demo (expected settings for ${role})`);
  return settings as Expected;
}
