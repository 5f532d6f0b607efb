import { queryOptions } from '@tanstack/react-query';
import { radiographsPixels } from '@/client';
import { Problem } from '@/problem';

/** A decoded radiograph in square pixels: one value each, row by row, in the depth that they were stored with. */
export interface Radiograph {
  rows: number;
  columns: number;
  values: Uint8Array | Uint16Array | Int16Array;
  /** Of the picture, without padding. */
  minimum: number;
  maximum: number;
  /** The percentiles between which it is shown where nothing else is asked. */
  low: number;
  high: number;
}

/**
 * The pixels of a job's image. They never change, so nothing asks for them again while they are shown, and they are
 * dropped with the page: tens of megabytes.
 */
export const radiographQuery = (jobId: string) =>
  queryOptions({
    queryKey: ['radiograph', jobId],
    staleTime: 'static',
    gcTime: 0,
    structuralSharing: false,
    queryFn: async ({ signal }): Promise<Radiograph> => {
      const { data, response } = await radiographsPixels({
        path: { job_id: jobId },
        parseAs: 'arrayBuffer',
        throwOnError: true,
        signal,
      });
      return readRadiograph(data as unknown as ArrayBuffer, response.headers);
    },
  });

/** The answer of `/v1/jobs/{id}/radiograph`: little-endian values, described by its headers. */
export function readRadiograph(buffer: ArrayBuffer, headers: Headers): Radiograph {
  const number = (name: string) => Number(headers.get(`Lucency-${name}`));
  const rows = number('Rows');
  const columns = number('Columns');
  const bytes = number('Bits') / 8;
  if (!(rows > 0 && columns > 0) || buffer.byteLength !== rows * columns * bytes) {
    throw new Problem(0, 'radiograph_cut_short', 'The radiograph did not arrive whole', '');
  }
  const values = valuesOf(buffer, bytes, headers.get('Lucency-Signed') === 'true');
  return {
    ...squared({ rows, columns, values }, number('Aspect') || 1),
    minimum: number('Minimum'),
    maximum: number('Maximum'),
    low: number('Low'),
    high: number('High'),
  };
}

// Every machine that a browser runs on is little endian, as the values are.
function valuesOf(buffer: ArrayBuffer, bytes: number, signed: boolean): Radiograph['values'] {
  if (bytes === 1) return new Uint8Array(buffer);
  return signed ? new Int16Array(buffer) : new Uint16Array(buffer);
}

type Values = Pick<Radiograph, 'rows' | 'columns' | 'values'>;

// Beyond this the one side shrinks where else the other would grow: 128 MB of values.
const MOST_PIXELS = 2 ** 26;

/** The picture as a reader sees it, from pixels `aspect` times as high as wide: linear between their centres. */
export function squared(stored: Values, aspect: number): Values {
  if (aspect === 1) return stored;
  const grows = stored.rows * stored.columns * Math.max(aspect, 1 / aspect) <= MOST_PIXELS;
  if (aspect > 1 === grows) return resampled(stored, Math.max(1, Math.round(stored.rows * aspect)), stored.columns);
  return resampled(stored, stored.rows, Math.max(1, Math.round(stored.columns / aspect)));
}

function resampled({ rows, columns, values }: Values, height: number, width: number): Values {
  const kind = values.constructor as new (length: number) => Radiograph['values'];
  const made = new kind(height * width);
  const [down, across] = [between(rows, height), between(columns, width)];
  for (let y = 0; y < height; y++) {
    const [above, below, lower] = [(down.first[y] ?? 0) * columns, (down.second[y] ?? 0) * columns, down.share[y] ?? 0];
    for (let x = 0; x < width; x++) {
      const left = across.first[x] ?? 0;
      const right = across.second[x] ?? 0;
      const later = across.share[x] ?? 0;
      const upper = (values[above + left] ?? 0) * (1 - later) + (values[above + right] ?? 0) * later;
      const under = (values[below + left] ?? 0) * (1 - later) + (values[below + right] ?? 0) * later;
      made[y * width + x] = Math.round(upper * (1 - lower) + under * lower);
    }
  }
  return { rows: height, columns: width, values: made };
}

/** For each of `to` pixels the two of `from` that its centre lies between, and how much of the second it has. */
function between(from: number, to: number): { first: Uint32Array; second: Uint32Array; share: Float32Array } {
  const places = Float64Array.from({ length: to }, (_, index) =>
    Math.min(Math.max(((index + 0.5) * from) / to - 0.5, 0), from - 1),
  );
  return {
    first: Uint32Array.from(places, Math.floor),
    second: Uint32Array.from(places, (place) => Math.min(Math.floor(place) + 1, from - 1)),
    share: Float32Array.from(places, (place) => place - Math.floor(place)),
  };
}
