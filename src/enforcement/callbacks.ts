/** Calls into code of our owner's: what it throws is handed on, and stops nothing of ours. */
export function callOwner(callback: () => void, onThrow: (cause: unknown) => void): void {
  try {
    callback();
  } catch (cause) {
    onThrow(cause);
  }
}

/** For the callback that would be told: nobody is left then. */
export const tellNobody = (): void => undefined;
