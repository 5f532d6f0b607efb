import { queryOptions } from '@tanstack/react-query';
import { radiographsPixels } from '@/client';
import { Problem } from '@/problem';

/** A decoded radiograph: one value a pixel, row by row, in the depth that it was stored with. */
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
  return {
    rows,
    columns,
    values: valuesOf(buffer, bytes, headers.get('Lucency-Signed') === 'true'),
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
