import type { Query, QueryClient } from '@tanstack/react-query';

type Named = [{ _id?: string; path?: Record<string, string> } | undefined];

// What else a change of one thing shows in: the tags of operations on the same path.
const ALSO: Record<string, readonly string[]> = {
  jobs: ['jobs', 'results', 'deliveries', 'feedback'],
  deliveries: ['deliveries', 'deliveryRules'],
  feedback: ['feedback', 'jobs', 'models'],
  session: ['session', 'users'],
};

// Asked again while an answer was under way, which may be from before the change: once more when it is there.
const again = new WeakMap<QueryClient, Set<string>>();

/**
 * Ask again for what the topics touch. A topic is the tag of the API's operations (`jobs`), alone or with the id of the
 * one that changed (`jobs:0198…`); the generated query keys begin with the operation's name (`jobsListing`), which begins with the tag.
 * `*` touches everything.
 */
export function invalidateTopics(queries: QueryClient, topics: string[]): void {
  const touched = topics.map((topic) => {
    const [said = '', id] = topic.split(':');
    const tag = said.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    return { tags: ALSO[tag] ?? [tag], id };
  });
  const touches = ({ queryKey }: Query) => {
    const [first] = queryKey as Named;
    const name = first?._id;
    if (name === undefined) return false;
    const of = Object.values(first?.path ?? {});
    return touched.some(
      ({ tags, id }) =>
        tags[0] === '*' ||
        (tags.some((tag) => isOf(name, tag)) && (id === undefined || of.length === 0 || of.includes(id))),
    );
  };
  const waiting = waitingOf(queries);
  for (const query of queries.getQueryCache().findAll({ predicate: touches })) {
    if (query.state.fetchStatus === 'fetching') waiting.add(query.queryHash);
  }
  // An answer under way is not thrown away: under constant change none would ever arrive.
  void queries.invalidateQueries({ predicate: touches }, { cancelRefetch: false });
}

/** Whether an operation's name, such as `jobsListing`, begins with its tag. */
function isOf(name: string, tag: string): boolean {
  return name.startsWith(tag) && /^[A-Z]/.test(name.slice(tag.length));
}

function waitingOf(queries: QueryClient): Set<string> {
  const known = again.get(queries);
  if (known !== undefined) return known;
  const waiting = new Set<string>();
  again.set(queries, waiting);
  queries.getQueryCache().subscribe(({ type, query }) => {
    if (type === 'removed') waiting.delete(query.queryHash);
    if (type !== 'updated' || query.state.fetchStatus !== 'idle' || !waiting.delete(query.queryHash)) return;
    // After this update has been taken in.
    queueMicrotask(() => void queries.invalidateQueries({ queryKey: query.queryKey, exact: true }));
  });
  return waiting;
}
