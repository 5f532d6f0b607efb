/** What of the viewer is in its address: which label is explained, what lies over the picture, what stands beside it. */
export interface ViewerSearch {
  label?: string;
  /** The job of the image beside it. */
  beside?: string;
  heatmap?: boolean;
  boxes?: boolean;
  /** Drawn by the processor: for machines whose graphics driver shows nothing. */
  cpu?: boolean;
}

const UUID = /^[0-9a-f-]{36}$/;

export function readSearch(search: Record<string, unknown>): ViewerSearch {
  const flag = (name: string) => (typeof search[name] === 'boolean' ? search[name] : undefined);
  const { label, beside } = search;
  return {
    label: typeof label === 'string' ? label : undefined,
    beside: typeof beside === 'string' && UUID.test(beside) ? beside : undefined,
    heatmap: flag('heatmap'),
    boxes: flag('boxes'),
    cpu: flag('cpu'),
  };
}
