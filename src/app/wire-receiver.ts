import { createReceivedSetStore, sweepReceivedSets } from '../adapters/postgres/received-set-store.ts';
import { newId } from '../adapters/system/ids.ts';
import { fetchKeySetBy } from '../authorization/fetch-issuer-keys.ts';
