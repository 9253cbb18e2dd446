import type { Static } from 'typebox';
import type { AgentChangedReply, AgentReply, OrderReply } from '../agents/schemas.ts';
import type { AuditItem, AuditVerification } from '../audit/schemas.ts';
import type { CallerIssuerReply } from '../authorization/caller-issuer-schemas.ts';
import type { ClientReply, NewClientReply } from '../authorization/client-schemas.ts';
import type { NewTokenReply, TokenReply } from '../authorization/schemas.ts';
import type { HookDetailReply, HookReply, PutHookReply, TestReply } from '../hooks/schemas.ts';
import type { Readiness } from '../http/process-routes.ts';
import type { SignalAnswer as SignalAnswerSchema } from '../http/signal-answer.ts';
import type { LinkChangedReply, LinkReply } from '../identity-links/schemas.ts';
import type { EventTypeReply, HeldReply, ReleaseReply, SignalBody, SignalReply } from '../intake/schemas.ts';
import type { IssuerReply } from '../issuers/schemas.ts';
import type { ReportsReply } from '../points/receipt-schemas.ts';
import type { AddedPointReply, PointReply, toEnforcementReply } from '../points/schemas.ts';
import type { CheckReply, RevocationReply } from '../revocations/schemas.ts';
import type { SourceReply } from '../sources/schemas.ts';
import type { KeyReply, RotationReply } from '../transmitter/key-schemas.ts';
import type { NewUpstreamReply, RemovedReply, UpstreamReply } from '../receiver/upstream-schemas.ts';
import type { SetReply } from '../receiver/sets-routes.ts';
import type { TestedReply, VerifiedReply } from '../receiver/step-routes.ts';
import type { StreamReply } from '../transmitter/admin-schemas.ts';
import type { DeliveryDetailReply, DeliveryReply } from '../transmitter/delivery-schemas.ts';

/** What travels, as the schemas of the features have it. */
export type SignalRequest = Static<typeof SignalBody>;
export type SignalAnswer = Static<typeof SignalAnswerSchema>;
/** What a batch answers to one line. */
export type LineAnswer = (SignalAnswer & { readonly line: number }) | LineRefusal;
export type LineRefusal = {
  readonly line: number;
  readonly code: string;
  readonly status: number;
  readonly detail?: string;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
};
export type Signal = Static<typeof SignalReply>;
export type EventType = Static<typeof EventTypeReply>;
export type Held = Static<typeof HeldReply>;
export type Release = Static<typeof ReleaseReply>;
/** By hand: inference drops what only some states have from the reply of the hub, which has no schema of its own. */
export type InstanceEnforcement = {
  readonly point: string;
  readonly instance: string;
  readonly state: ReturnType<typeof toEnforcementReply>['instances'][number]['state'];
  /** Of `applied`, where it was there before the commit. */
  readonly latency_ms?: number;
  /** Of `contained`. */
  readonly since_ms?: number;
  /** Of `exposed`, where an end is known. */
  readonly until_ms?: number;
  /** Of `refused` and `cannot`. */
  readonly why?: string;
};
export type Enforcement = Omit<ReturnType<typeof toEnforcementReply>, 'instances'> & {
  readonly instances: readonly InstanceEnforcement[];
};
export type Revocation = Static<typeof RevocationReply>;
export type Check = Static<typeof CheckReply>;
export type Agent = Static<typeof AgentReply>;
export type AgentChanged = Static<typeof AgentChangedReply>;
export type AgentOrdered = Static<typeof OrderReply>;
export type IdentityLink = Static<typeof LinkReply>;
export type LinkChanged = Static<typeof LinkChangedReply>;
export type Point = PointReply;
export type AddedPoint = Static<typeof AddedPointReply>;
export type Report = Static<typeof ReportsReply>['items'][number];
export type Hook = Static<typeof HookReply>;
export type PutHook = Static<typeof PutHookReply>;
export type HookDetail = Static<typeof HookDetailReply>;
export type HookTest = Static<typeof TestReply>;
export type Source = Static<typeof SourceReply>;
export type Stream = Static<typeof StreamReply>;
export type Delivery = Static<typeof DeliveryReply>;
export type DeliveryDetail = Static<typeof DeliveryDetailReply>;
export type Upstream = UpstreamReply;
export type NewUpstream = Static<typeof NewUpstreamReply>;
export type RemovedUpstream = Static<typeof RemovedReply>;
export type VerifiedUpstream = Static<typeof VerifiedReply>;
export type TestedUpstream = Static<typeof TestedReply>;
export type ReceivedSet = Static<typeof SetReply>;
export type Issuer = Static<typeof IssuerReply>;
export type CallerIssuer = Static<typeof CallerIssuerReply>;
export type Token = Static<typeof TokenReply>;
export type NewToken = Static<typeof NewTokenReply>;
export type Key = Static<typeof KeyReply>;
export type Rotation = Static<typeof RotationReply>;
export type Client = Static<typeof ClientReply>;
export type NewClient = Static<typeof NewClientReply>;
export type AuditRow = Static<typeof AuditItem>;
export type AuditProof = Static<typeof AuditVerification>;
export type Ready = Readiness & { readonly ready: boolean };
