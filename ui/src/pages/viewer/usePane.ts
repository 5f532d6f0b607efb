import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import type { DisplayView, FindingView, JobView, ResultView } from '@/client';
import { jobsPollOptions, radiographsDisplayOptions, resultsResultOptions } from '@/client/@tanstack/react-query.gen';
import { type Radiograph, radiographQuery } from './radiograph';
import { type Preset, presetsOf, type Range } from './windowing';

/** An image that is shown: what is known of it, and how its values are windowed now. */
export interface PaneState {
  jobId: string;
  display: DisplayView | undefined;
  radiograph: Radiograph | undefined;
  job: JobView | undefined;
  result: ResultView | undefined;
  resultError: unknown;
  error: unknown;
  retry: () => void;
  presets: Preset[];
  window: Range | null;
  setWindow: (change: (now: Range) => Range) => void;
  turnedOver: boolean;
  turnOver: () => void;
  /** What the viewport is told: small values are bright, or the reader wants it so, but not both. */
  inverted: boolean;
  reset: () => void;
}

export function usePane(jobId: string): PaneState {
  const path = { path: { job_id: jobId } };
  const display = useQuery(radiographsDisplayOptions(path));
  const pixels = useQuery(radiographQuery(jobId));
  const job = useQuery(jobsPollOptions(path));
  // A job that is not done yet is waited for, by its events; the picture is there before.
  const result = useQuery({ ...resultsResultOptions(path), enabled: job.data?.state === 'succeeded' });
  const [chosen, setChosen] = useState<{ jobId: string; range: Range } | null>(null);
  const [turnedOver, setTurnedOver] = useState(false);
  const presets = useMemo(
    () => (display.data && pixels.data ? presetsOf(display.data, pixels.data) : []),
    [display.data, pixels.data],
  );
  const window = chosen?.jobId === jobId ? chosen.range : (presets[0] ?? null);
  return {
    jobId,
    display: display.data,
    radiograph: pixels.data,
    job: job.data,
    result: result.data,
    resultError: job.error ?? result.error,
    error: display.error ?? pixels.error,
    retry: () => {
      if (display.error) void display.refetch();
      if (pixels.error) void pixels.refetch();
    },
    presets,
    window,
    setWindow: (change) =>
      setChosen((now) => {
        const from = now?.jobId === jobId ? now.range : presets[0];
        return from === undefined ? now : { jobId, range: change(from) };
      }),
    turnedOver,
    turnOver: () => setTurnedOver((now) => !now),
    inverted: (display.data?.small_is_bright ?? false) !== turnedOver,
    reset: () => {
      setChosen(null);
      setTurnedOver(false);
    },
  };
}

/** The Findings, without regions and classes that were explained; those with a picture first. */
export function findingsOf(result: ResultView | undefined): FindingView[] {
  if (result === undefined) return [];
  const others = new Set([...Object.keys(result.region.probabilities), ...Object.keys(result.probabilities ?? {})]);
  const judged = result.findings.filter(({ label }) => !others.has(label));
  return [...judged].sort((one, other) => Number(other.explanation !== null) - Number(one.explanation !== null));
}

/** What may be laid over the picture: Findings first, then whatever else was explained. */
export function explainedOf(result: ResultView | undefined): FindingView[] {
  const judged = findingsOf(result);
  const rest = result?.findings.filter((finding) => !judged.includes(finding)) ?? [];
  return [...judged, ...rest].filter(({ explanation }) => explanation !== null);
}
