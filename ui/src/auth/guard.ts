import { useQuery } from '@tanstack/react-query';
import { useNavigate, useRouter } from '@tanstack/react-router';
import { useEffect } from 'react';
import { sessionQuery } from '@/auth/session';

// A page that nobody touches asks as well: what it shows shall not outlive the session.
const LOOK_MS = 60_000;

/** To the login when the session ends while a page is open, and back to that page after it. */
export function useSessionGuard(): void {
  const { data: session } = useQuery({ ...sessionQuery, refetchInterval: LOOK_MS, refetchIntervalInBackground: true });
  const navigate = useNavigate();
  const router = useRouter();
  useEffect(() => {
    if (session !== null) return;
    const { pathname, href } = router.state.location;
    if (pathname !== '/login') void navigate({ to: '/login', search: { next: href, notice: 'ended' } });
  }, [session, navigate, router]);
}
