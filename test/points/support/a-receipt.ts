import type { InstanceDeclaration, ReceiptBody } from '../../../src/core/feed.ts';

export const aDeclaration = (parts: Partial<InstanceDeclaration> = {}): InstanceDeclaration => ({
  kind: 'library',
  version: '1.0.0',
  postures: { sensitive: { fail_closed_after: 60 }, public: { fail_open: true } },
  can: { effects: ['deny', 'restrict', 'step_up', 'require_nonce', 'observe'], cut_open_requests: true },
  downstream_cache_seconds: 0,
  ...parts,
});

export const aReceipt = (parts: Partial<ReceiptBody> = {}): ReceiptBody => ({
  instance: aDeclaration(),
  stale_ms: 12,
  ...parts,
});
