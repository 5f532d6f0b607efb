import type { JobState, JobsListingData, ThreeWay } from '@/client';

export const STATES = [
  'held',
  'queued',
  'running',
  'retry_wait',
  'succeeded',
  'failed',
  'dead',
  'cancelled',
  'expired',
] as const satisfies readonly JobState[];
export const DECISIONS = ['positive', 'negative', 'refer'] as const satisfies readonly ThreeWay[];
export const ACTIVE: readonly JobState[] = ['held', 'queued', 'running', 'retry_wait'];
export const UNSUCCESSFUL: readonly JobState[] = ['failed', 'dead', 'cancelled', 'expired'];

/** What the list is filtered by: the address' own parameters, named as the API's. */
export interface JobFilters {
  state?: JobState[];
  decision?: ThreeWay[];
  model?: string[];
  region?: string[];
  priority?: number[];
  code?: string[];
  batch?: string;
  text?: string;
  replayed?: boolean;
  replay_of?: string;
  created_from?: string;
  created_to?: string;
}

/** Of every part that shows filters and changes them. */
export interface FiltersProps {
  filters: JobFilters;
  onChange: (filters: JobFilters) => void;
}

export interface JobSearch extends JobFilters {
  /** Where the page begins; none is the newest. */
  cursor?: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** What an address says, without what is no filter: a link that somebody mistyped still shows a list. */
export function readSearch(search: Record<string, unknown>): JobSearch {
  const found: JobSearch = {
    state: among(search.state, STATES),
    decision: among(search.decision, DECISIONS),
    model: words(search.model).filter((one) => UUID.test(one)),
    region: words(search.region),
    priority: words(search.priority)
      .map(Number)
      .filter((one) => Number.isInteger(one) && Math.abs(one) <= 10),
    code: words(search.code),
    batch: words(search.batch).find((one) => UUID.test(one)),
    text: words(search.text)[0]?.slice(0, 100),
    replayed: typeof search.replayed === 'boolean' ? search.replayed : undefined,
    replay_of: words(search.replay_of).find((one) => UUID.test(one)),
    created_from: moment(search.created_from),
    created_to: moment(search.created_to),
    cursor: words(search.cursor)[0],
  };
  return stripped(found);
}

/** Without what asks nothing, so that addresses and query keys are the same for the same list. */
export function stripped<T extends JobSearch>(search: T): T {
  const kept = Object.entries(search).filter(
    ([, value]) => value !== undefined && value !== '' && !(Array.isArray(value) && value.length === 0),
  );
  return Object.fromEntries(kept) as T;
}

/** As the API takes it. */
export function asQuery(search: JobFilters): NonNullable<JobsListingData['query']> {
  const { cursor: _cursor, ...filters } = search as JobSearch;
  return stripped(filters);
}

/** The same as an address of the API. */
export function asParameters(search: JobFilters): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(asQuery(search))) {
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one));
  }
  return parameters.toString();
}

function words(value: unknown): string[] {
  const all: unknown[] = Array.isArray(value) ? value : [value];
  return all
    .filter((one) => typeof one === 'string' || typeof one === 'number')
    .map(String)
    .filter((one) => one !== '' && one.length <= 200)
    .slice(0, 50);
}

function among<T extends string>(value: unknown, known: readonly T[]): T[] {
  return known.filter((one) => words(value).includes(one));
}

function moment(value: unknown): string | undefined {
  const [text] = words(value);
  if (text === undefined || Number.isNaN(Date.parse(text))) return undefined;
  return new Date(text).toISOString();
}
