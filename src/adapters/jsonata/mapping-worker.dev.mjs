// Loads the TypeScript source in a thread: unlike the process, a thread does not get tsx's hooks by itself.
import { register } from 'tsx/esm/api';

register();
await import('./mapping-worker.ts');
