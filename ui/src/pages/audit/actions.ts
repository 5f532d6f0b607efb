import type { AuditAction } from '@/client';

// A record, so that an action that is added is missed by the compiler.
const KNOWN: Record<AuditAction, true> = {
  image_received: true,
  image_retrieved: true,
  identity_opened: true,
  result_exported: true,
  result_delivered: true,
  quarantine_released: true,
  jobs_cancelled: true,
  jobs_replayed: true,
  erased: true,
  expired: true,
  site_changed: true,
  key_issued: true,
  key_revoked: true,
  signed_in: true,
  sign_in_locked: true,
  user_added: true,
  user_changed: true,
  worker_controlled: true,
  model_moved: true,
  feedback_given: true,
};

export const ACTIONS = Object.keys(KNOWN) as AuditAction[];
