import { Type } from 'typebox';
import {
  AddSubjectBody,
  ChangeBody,
  Configuration,
  CreateBody,
  IdQuery,
  OptionalIdQuery,
  RemoveSubjectBody,
  StatusBody,
  StatusReply,
  VerifyBody,
} from './schemas.ts';

/** What is declared of each route of the management API: who may call it, what it takes and answers. */
const tags = ['ssf'];
const reads = { scopes: ['ssf.read', 'ssf.manage'] } as const;
const writes = { scopes: ['ssf.manage'] } as const;
const replyOf = <Reply>(reply: Reply) => ({ 200: reply });
const nothing = { 204: Type.Null() };

export const routes = {
  metadata: {
    config: { public: true },
    schema: {
      tags,
      summary: 'Transmitter configuration metadata',
      description: 'SSF 1.0 §7.1. May be cached for five minutes; has an ETag.',
    },
  },
  create: {
    config: { ...writes, refuses: [409] },
    schema: {
      tags,
      summary: 'Create a stream',
      description:
        'SSF 1.0 §8.1.1.1. Without `delivery` its SETs are polled. It is enabled and has everybody.',
      body: CreateBody,
      response: { 201: Configuration },
    },
  },
  read: {
    config: reads,
    schema: {
      tags,
      summary: 'Read one stream, or list all',
      description: 'SSF 1.0 §8.1.1.2. Without `stream_id` a list, also of one or none.',
      querystring: OptionalIdQuery,
      response: replyOf(Type.Union([Configuration, Type.Array(Configuration)])),
    },
  },
  patch: {
    config: writes,
    schema: {
      tags,
      summary: 'Change a stream',
      description:
        'SSF 1.0 §8.1.1.3. What is left out stays. `delivery` is replaced whole: without `authorization_header` it has none.',
      body: ChangeBody,
      response: replyOf(Configuration),
    },
  },
  replace: {
    config: writes,
    schema: {
      tags,
      summary: 'Replace the configuration of a stream',
      description:
        'SSF 1.0 §8.1.1.4. What is left out is deleted; without `delivery` SETs are polled. Status, subjects and what waits stay.',
      body: ChangeBody,
      response: replyOf(Configuration),
    },
  },
  remove: {
    config: writes,
    schema: {
      tags,
      summary: 'Delete a stream',
      description: 'SSF 1.0 §8.1.1.5. With all that waits in it.',
      querystring: IdQuery,
      response: nothing,
    },
  },
  status: {
    config: reads,
    schema: {
      tags,
      summary: 'Read the status of a stream',
      description: 'SSF 1.0 §8.1.2.1.',
      querystring: IdQuery,
      response: replyOf(StatusReply),
    },
  },
  setStatus: {
    config: writes,
    schema: {
      tags,
      summary: 'Enable, pause or disable a stream',
      description: 'SSF 1.0 §8.1.2.2. What is paused holds its SETs for later, what is disabled drops them.',
      body: StatusBody,
      response: replyOf(StatusReply),
    },
  },
  addSubject: {
    config: writes,
    schema: {
      tags,
      summary: 'Add a subject',
      description: 'SSF 1.0 §8.1.3.2. Says nothing of whether such a subject is known.',
      body: AddSubjectBody,
      response: { 200: Type.Unsafe<void>({ type: 'null', description: 'Empty.' }) },
    },
  },
  removeSubject: {
    config: writes,
    schema: {
      tags,
      summary: 'Remove a subject',
      description: 'SSF 1.0 §8.1.3.3. The later of two calls about a subject wins.',
      body: RemoveSubjectBody,
      response: nothing,
    },
  },
  verify: {
    config: { ...writes, refuses: [429] },
    schema: {
      tags,
      summary: 'Ask for a verification event',
      description: 'SSF 1.0 §8.1.4.2. It is on its way within a second, whatever else waits.',
      body: VerifyBody,
      response: nothing,
    },
  },
} as const;
