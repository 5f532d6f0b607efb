import type { QueryClient } from '@tanstack/react-query';

/**
 * Ask again for what the topics touch. A topic is the tag of the API's operations (`jobs`), alone or with the id of the
 * one that changed (`jobs:0198…`); the generated query keys begin with the operation's name, which begins with the tag.
 * `*` touches everything.
 */
export function invalidateTopics(queries: QueryClient, topics: string[]): void {
  void queries.invalidateQueries({
    predicate: ({ queryKey }) => {
      const [first] = queryKey as [{ _id?: string; path?: Record<string, string> } | undefined];
      const name = first?._id;
      if (name === undefined) return false;
      return topics.some((topic) => {
        const [tag = '', id] = topic.split(':');
        if (tag === '*') return true;
        if (!name.startsWith(tag)) return false;
        const of = Object.values(first?.path ?? {});
        return id === undefined || of.length === 0 || of.includes(id);
      });
    },
  });
}
