import { QueryClient } from '@tanstack/react-query';
import { Problem } from '@/problem';

// Events say what changed (live/), so that nothing is asked again by time alone while they come.
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      refetchOnWindowFocus: true,
      retry: (failures, error) => failures < 3 && (!(error instanceof Problem) || error.retryable),
      retryDelay: (attempt) => Math.min(500 * 2 ** attempt, 10_000),
    },
    mutations: { retry: false },
  },
});
