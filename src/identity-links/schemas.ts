import { Type, type Static } from 'typebox';
import type { BoundRevocation, IdentityLink } from './ports.ts';

const Open = Type.Object({}, { additionalProperties: true });

export const LinkBody = Type.Object(
  {
    subject: Type.Object(
      {},
      { additionalProperties: true, description: 'An identifier that no token carries.' },
    ),
    match: Type.Object({}, { additionalProperties: true, description: 'What tokens carry for it.' }),
  },
  {
    additionalProperties: false,
    $id: 'IdentityLinkBody',
    examples: [
      {
        subject: { format: 'email', email: 'mara@example.com' },
        match: { iss: 'https://login.example', sub: 'u-17' },
      },
    ],
  },
);
export const LinkReply = Type.Object(
  { identifier: Type.String({ description: 'The line it is looked up by.' }), subject: Open, match: Open },
  { $id: 'IdentityLink' },
);
export const LinkChangedReply = Type.Object({
  link: LinkReply,
  bound: Type.Array(
    Type.Object({ id: Type.String(), position: Type.String(), match: Open, signal_id: Type.String() }),
    { description: 'Entries that kills which waited for this identifier put.' },
  ),
});

export const toLinkReply = (link: IdentityLink): Static<typeof LinkReply> => ({
  identifier: link.identifier,
  subject: link.subject,
  match: link.match,
});
export const toBoundReply = (bound: readonly BoundRevocation[]) =>
  bound.map(({ signalId, ...entry }) => ({ ...entry, signal_id: signalId }));
