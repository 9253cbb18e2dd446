import type { Json } from '../../core/vocabulary.ts';
import type { MappingContext } from '../../hooks/ports.ts';

/** What the thread is asked: one thing at a time. */
export type MappingQuestion =
  | { readonly op: 'check'; readonly mapping: string }
  | {
      readonly op: 'map';
      readonly mapping: string;
      readonly body: Json;
      readonly context: MappingContext;
    };

export type MappingAnswer =
  /** JSON text of an array. */
  | { readonly kind: 'mapped'; readonly text: string }
  | { readonly kind: 'failed'; readonly code: string; readonly text: string; readonly position?: number };
