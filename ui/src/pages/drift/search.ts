export const DAYS = [7, 30, 90] as const;

export interface DriftSearch {
  model?: string;
  days?: (typeof DAYS)[number];
  everywhere?: true;
}

/** What of the address counts. */
export function driftSearch(search: Record<string, unknown>): DriftSearch {
  const days = DAYS.find((known) => known === Number(search.days));
  return {
    ...(typeof search.model === 'string' ? { model: search.model } : {}),
    ...(days ? { days } : {}),
    ...(search.everywhere === true ? { everywhere: true as const } : {}),
  };
}
