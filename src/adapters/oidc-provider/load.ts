import type * as Library from 'oidc-provider';

/** What it says of every release of Node before 22. It runs on 20.19 and later, which our tests are run on. */
const notice = /^oidc-provider WARNING: Unsupported runtime\./;

/** The library, without its notice in front of the hub's own lines. Whatever else it has to say is said. */
export async function loadLibrary(): Promise<typeof Library> {
  const { warn } = globalThis.console;
  const quiet = (...words: unknown[]): void => {
    if (!notice.test(String(words[0]))) warn.apply(globalThis.console, words);
  };
  globalThis.console.warn = quiet;
  try {
    return await import('oidc-provider');
  } finally {
    if (globalThis.console.warn === quiet) globalThis.console.warn = warn;
  }
}
