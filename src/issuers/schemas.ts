import { Type } from 'typebox';
import { claimNames, issuerMembers, issuerReplyMembers } from '../core/issuer-schemas.ts';

const days = (count: number) => count * 86_400;

export const IssuerBody = Type.Object(
  {
    ...issuerMembers,
    session_claims: Type.Optional(claimNames('session')),
    max_token_life: Type.Optional(
      Type.Integer({
        minimum: 30,
        maximum: days(30),
        description:
          'Longest life of its access tokens in seconds. Points refuse longer ones; cut-offs are kept this long. Default 86400.',
      }),
    ),
    skew: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 300,
        description: 'Most that its clock runs ahead of ours, seconds. Default 5.',
      }),
    ),
    longest_session: Type.Optional(
      Type.Integer({
        minimum: 60,
        maximum: days(400),
        description: 'Longest life of a session in seconds. Default 2592000.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'IssuerBody' },
);

export const IssuerReply = Type.Object(
  {
    ...issuerReplyMembers,
    session_claims: Type.Array(Type.String()),
    longest_session: Type.Integer(),
  },
  { $id: 'Issuer' },
);
