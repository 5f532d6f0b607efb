import { useQuery, useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { sessionQuery } from '@/auth/session';
import { Link, type LiveState } from '@/live/link';
import { invalidateTopics } from '@/live/topics';

const Live = createContext<LiveState>('polling');

/** How this tab hears of changes. */
export const useLiveState = () => useContext(Live);

/** The one event stream of this tab, while somebody is signed in; another Site's events are another stream. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const queries = useQueryClient();
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  const [state, setState] = useState<LiveState>('polling');
  const key = session ? `${session.user.id} ${session.site?.id}` : null;

  useEffect(() => {
    setState('polling');
    if (key === null) return;
    const link = new Link({
      onState: setState,
      onTopics: (topics) => {
        invalidateTopics(queries, topics);
        // A role was changed, or somebody put out: it may be the one who looks at this.
        if (topics.includes('session')) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
      },
      ask: async () => {
        try {
          await queries.fetchQuery({ ...sessionQuery, staleTime: 0, retry: false });
          return true;
        } catch {
          return false;
        }
      },
    });
    return () => link.close();
  }, [key, queries]);

  return <Live.Provider value={state}>{children}</Live.Provider>;
}
