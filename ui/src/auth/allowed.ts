import { useQuery } from '@tanstack/react-query';
import { sessionQuery } from '@/auth/session';

/** What pages and buttons may need; the API decides, this only keeps what it would refuse out of sight. */
export type Need = 'read' | 'submit' | 'admin' | 'operate';

/** Whether the signed-in user may, at the Site in view. */
export function useAllowed(): (need: Need) => boolean {
  const { data: session } = useQuery(sessionQuery);
  const scopes = new Set<string>(session?.scopes ?? []);
  return (need) => scopes.has(need) || (need === 'admin' && scopes.has('operate'));
}

/** Where someone of these rights begins: with what they came to do, not with a page that is closed to them. */
export function firstPage(scopes: readonly string[]): '/submit' | '/jobs' | '/admin/overview' {
  if (scopes.includes('submit')) return '/submit';
  return scopes.includes('read') || !scopes.includes('operate') ? '/jobs' : '/admin/overview';
}
