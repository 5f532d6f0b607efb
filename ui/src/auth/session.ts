import { type QueryClient, queryOptions } from '@tanstack/react-query';
import { attended, watchAttention } from '@/auth/attention';
import type { SessionView } from '@/client';
import { sessionLook } from '@/client';
import { client } from '@/client/client.gen';
import { Problem, problemOf } from '@/problem';

const UNSAFE = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** Who is signed in, or null. */
export const sessionQuery = queryOptions({
  queryKey: ['session'],
  staleTime: 60_000,
  queryFn: async (): Promise<SessionView | null> => {
    try {
      const { data } = await sessionLook({ throwOnError: true });
      return data;
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
});

/** Forget all that was loaded for somebody, but for what the page in view shows: it is nobody else's to see. */
export function forgetData(queries: QueryClient): void {
  queries.removeQueries({ predicate: (query) => query.queryKey[0] !== sessionQuery.queryKey[0] && !query.isActive() });
}

/** Teach the generated client our errors, the CSRF token of the session, and that a session may end. */
export function configureClient(queries: QueryClient): void {
  watchAttention();
  client.setConfig({ baseUrl: '', credentials: 'same-origin', throwOnError: true });
  client.interceptors.request.use((request) => {
    const session = queries.getQueryData(sessionQuery.queryKey);
    if (session && UNSAFE.has(request.method)) request.headers.set('X-CSRF-Token', session.csrf_token);
    if (!attended()) request.headers.set('X-Unattended', '1');
    return request;
  });
  client.interceptors.error.use((error, response) => {
    if (response?.status === 401 && queries.getQueryData(sessionQuery.queryKey)) {
      queries.setQueryData(sessionQuery.queryKey, null);
    }
    // The role may have been changed meanwhile: pages show what is left of it.
    if (response?.status === 403) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    return problemOf(error, response);
  });
}
