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
