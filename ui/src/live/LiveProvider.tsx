import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { sessionQuery } from '@/auth/session';
import { invalidateTopics } from '@/live/topics';

/** live: events come. polling: they do not, but the API answers. stale: neither. */
export type LiveState = 'live' | 'polling' | 'stale';

const Live = createContext<LiveState>('polling');

const POLL_MS = 5_000;

/** How this tab hears of changes. */
export const useLiveState = () => useContext(Live);

/** The one event stream of this tab, while somebody is signed in. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  const [state, setState] = useState<LiveState>('polling');
  const key = session ? `${session.user.id} ${session.site?.id}` : null;

  useEffect(() => {
    if (key === null) return;
    const source = new EventSource('/v1/events');
    source.onopen = () => setState('live');
    source.onerror = () => setState((now) => (now === 'live' ? 'polling' : now));
    source.addEventListener('changed', (event) => {
      const { topics } = JSON.parse((event as MessageEvent<string>).data) as { topics: string[] };
      invalidateTopics(queries, topics);
    });
    return () => source.close();
  }, [key, queries]);

  useEffect(() => {
    if (key === null || state === 'live') return;
    const poll = async () => {
      try {
        const answer = await fetch('/healthz', { cache: 'no-store' });
        setState((now) => (now === 'live' ? now : answer.ok ? 'polling' : 'stale'));
        if (answer.ok) await queries.invalidateQueries();
      } catch {
        setState((now) => (now === 'live' ? now : 'stale'));
      }
    };
    const timer = setInterval(poll, POLL_MS);
    return () => clearInterval(timer);
  }, [key, state, queries]);

  return <Live.Provider value={state}>{children}</Live.Provider>;
}
