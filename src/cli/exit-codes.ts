/** What a script learns from the end of a command. `check` alone uses the last two. @see DESIGN §13 */
export const exitCodes = {
  done: 0,
  bug: 1,
  usage: 2,
  notConfirmed: 3,
  refused: 4,
  unreachable: 5,
  held: 6,
  denied: 10,
  otherEffect: 11,
} as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
