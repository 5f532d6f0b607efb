import { type BulkAction, type BulkView, jobsBulk } from '@/client';
import { ACTIVE, asQuery, type JobFilters, UNSUCCESSFUL } from '@/pages/jobs/search';

/** Which jobs an action is for: named ones, or all of a filter. */
export type Chosen = { ids: string[] } | { filter: JobFilters };

const MOST = 1000;

/** Of a filter's jobs those that the action can be done with; null where there can be none. */
export function fitting(filter: JobFilters, action: BulkAction): JobFilters | null {
  const fit = action === 'cancel' ? ACTIVE : UNSUCCESSFUL;
  const state = (filter.state ?? fit).filter((one) => fit.includes(one));
  if (state.length === 0) return null;
  return action === 'cancel' ? { ...filter, state } : { ...filter, state, replayed: false };
}

/** Do it, a thousand at a time. Each step of a filter's takes those that are left; it ends when nothing more is done. */
export async function doAll(action: BulkAction, chosen: Chosen): Promise<BulkView> {
  const parts: Chosen[] = [];
  if ('ids' in chosen) {
    for (let at = 0; at < chosen.ids.length; at += MOST) parts.push({ ids: chosen.ids.slice(at, at + MOST) });
  } else {
    parts.push(chosen);
  }
  const total: BulkView = { action, done: 0, unfit: 0, repeated: 0, missing: 0, no_room: 0, more: false };
  for (const part of parts) {
    for (;;) {
      const body = 'ids' in part ? { action, ids: part.ids } : { action, filter: asQuery(part.filter) };
      const { data } = await jobsBulk({ body, throwOnError: true });
      for (const name of ['done', 'unfit', 'repeated', 'missing', 'no_room'] as const) total[name] += data[name];
      if (!data.more || data.done === 0) break;
    }
  }
  return total;
}
