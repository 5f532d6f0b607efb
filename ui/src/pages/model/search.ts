export const TABS = ['figures', 'card', 'live', 'history'] as const;
export type Tab = (typeof TABS)[number];

export interface ModelSearch {
  tab?: Tab;
  split?: string;
}

/** What of the address counts. */
export function modelSearch(search: Record<string, unknown>): ModelSearch {
  const tab = TABS.find((known) => known === search.tab);
  return { ...(tab ? { tab } : {}), ...(typeof search.split === 'string' ? { split: search.split } : {}) };
}
