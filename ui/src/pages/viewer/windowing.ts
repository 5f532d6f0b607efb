import type { DisplayView } from '@/client';
import type { Radiograph } from './radiograph';

/** The values that become black and white (the other way round where small values are bright). */
export interface Range {
  lower: number;
  upper: number;
}

export interface Preset extends Range {
  /** `voi`, `voi_2`, `lut`: the file's own; else ours. */
  name: string;
}

/**
 * The file's own windows first, then ours, which know nothing but the picture's values: all of them but the outermost
 * (what is shown where a file has no window, as to the network), its bright part, its dark part, and the whole range.
 */
export function presetsOf(display: DisplayView, radiograph: Radiograph): Preset[] {
  const { low, high, minimum, maximum } = radiograph;
  const third = (high - low) / 3;
  const upperPart = { lower: low + third, upper: Math.max(high, low + third + 1) };
  const lowerPart = { lower: low, upper: Math.max(high - third, low + 1) };
  const own = display.windows
    // A window that holds nothing of the picture shows a flat one.
    .filter(({ lower, upper }) => upper > minimum && lower < maximum)
    .map(({ name, lower, upper }) => ({ name, lower, upper }));
  // Eight bits of a PNG or JPEG are grey levels already; so the network takes them.
  if (display.media_kind !== 'dicom' && radiograph.values instanceof Uint8Array) {
    own.push({ name: 'stored', lower: 0, upper: 255 });
  }
  return [
    ...own,
    { name: 'auto', lower: low, upper: Math.max(high, low + 1) },
    { name: 'bone', ...(display.small_is_bright ? lowerPart : upperPart) },
    { name: 'soft', ...(display.small_is_bright ? upperPart : lowerPart) },
    { name: 'full', lower: minimum, upper: Math.max(maximum, minimum + 1) },
  ];
}

/** The whole range of the picture, for a hand's width on the screen. */
const DRAG_PIXELS = 500;
const LEAST_WIDTH = 1;

/** Right: wider. Down: the centre towards what is dark. */
export function dragged(window: Range, dx: number, dy: number, radiograph: Radiograph, smallIsBright: boolean): Range {
  const perPixel = Math.max(radiograph.high - radiograph.low, 16) / DRAG_PIXELS;
  const center = (window.lower + window.upper) / 2 + dy * perPixel * (smallIsBright ? -1 : 1);
  const width = Math.max(window.upper - window.lower + dx * perPixel, LEAST_WIDTH);
  return { lower: center - width / 2, upper: center + width / 2 };
}

/**
 * As numbers of the modality, by the file's own convention: what other viewers call window centre and width. LINEAR,
 * which holds where nothing is said, counts half a step and a whole one more (PS3.3 C.11.2.1.2.1).
 */
export function inUnits({ lower, upper }: Range, display: DisplayView): { center: number; width: number } {
  const exact = display.windows[0] !== undefined && display.windows[0].function !== 'LINEAR';
  return {
    center: ((lower + upper) / 2) * display.slope + display.intercept + (exact ? 0 : 0.5),
    width: (upper - lower) * Math.abs(display.slope) + (exact ? 0 : 1),
  };
}

export const sameRange = (one: Range, other: Range): boolean =>
  Math.abs(one.lower - other.lower) < 0.5 && Math.abs(one.upper - other.upper) < 0.5;
