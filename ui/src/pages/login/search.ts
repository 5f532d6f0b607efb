/** Why the login is shown; all but the first come from the API, when single sign-on did not work. */
export const NOTICES = ['ended', 'oidc_failed', 'oidc_unknown', 'oidc_unreachable', 'https_needed'] as const;
export type Notice = (typeof NOTICES)[number];

export interface LoginSearch {
  /** Where to go after it: an address of this application. */
  next?: string;
  notice?: Notice;
}

/** What of the address counts: `next` leads nowhere else, and a notice is one that we know. */
export function loginSearch(search: Record<string, unknown>): LoginSearch {
  const { next, notice } = search;
  const inside = typeof next === 'string' && /^\/(?![/\\])/.test(next);
  return {
    ...(inside ? { next } : {}),
    ...(NOTICES.includes(notice as Notice) ? { notice: notice as Notice } : {}),
  };
}
