import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Collects memory again and again, as a busy process does, until the answer is called. */
export function keepCollecting(): () => void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const timer = setInterval(collect, 20);
  return () => clearInterval(timer);
}
