import { Type, type Static } from 'typebox';
import type { IssuerSettings } from '../core/issuer.ts';
import {
  issuerMembers,
  issuerReplyMembers,
  toIssuerReply,
  toIssuerSettings,
} from '../core/issuer-schemas.ts';

const hourSeconds = 3_600;
/** Whoever holds a token commands the hub for so long, should nobody notice. */
const tokenLifeDefaultSeconds = hourSeconds;

export const CallerIssuerBody = Type.Object(
  {
    ...issuerMembers,
    max_token_life: Type.Optional(
      Type.Integer({
        minimum: 30,
        maximum: 24 * hourSeconds,
        description: 'Tokens that live longer are refused, seconds. Default 3600.',
      }),
    ),
    skew: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 60,
        description: 'Most that its clock runs ahead of ours, seconds. Default 5.',
      }),
    ),
  },
  { additionalProperties: false, $id: 'CallerIssuerBody' },
);

export const CallerIssuerReply = Type.Object(issuerReplyMembers, { $id: 'CallerIssuer' });

export const CallerIssuerList = Type.Object({
  items: Type.Array(CallerIssuerReply),
  next_cursor: Type.Null(),
});

export const toCallerIssuer = (body: Static<typeof CallerIssuerBody>): IssuerSettings =>
  toIssuerSettings(body, { max_token_life: tokenLifeDefaultSeconds });

/** Sessions are nothing to the hub. */
export function toCallerIssuerReply(settings: IssuerSettings): Static<typeof CallerIssuerReply> {
  const { session_claims: _, longest_session: __, ...shown } = toIssuerReply(settings);
  return shown;
}
