import { Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { JobView } from '@/client';
import { radiographsDisplayOptions } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { type Radiograph, radiographQuery } from '@/pages/viewer/radiograph';
import classes from './InputPreview.module.css';

const LONGEST = 640;

/** What the job was given, small; where it cannot be decoded, that it cannot: which may be the cause itself. */
export function InputPreview({ job }: { job: JobView }) {
  const { t } = useTranslation('dead');
  const canvas = useRef<HTMLCanvasElement>(null);
  const pixels = useQuery({ ...radiographQuery(job.id), retry: false });
  const display = useQuery({ ...radiographsDisplayOptions({ path: { job_id: job.id } }), retry: false });
  const error = pixels.error ?? display.error;
  useEffect(() => {
    if (canvas.current && pixels.data && display.data) {
      draw(canvas.current, pixels.data, display.data.small_is_bright);
    }
  }, [pixels.data, display.data]);
  if (error) {
    return (
      <Stack>
        <ProblemNotice error={error} />
        <Text size="sm">{t('cannot_show')}</Text>
      </Stack>
    );
  }
  if (!pixels.data || !display.data) return <Skeleton height={360} />;
  return <canvas ref={canvas} className={classes.picture} role="img" aria-label={t('input_of', { id: job.id })} />;
}

/** Each pixel shown is the one that lies there: quick, and enough to see what it is of. */
function draw(canvas: HTMLCanvasElement, picture: Radiograph, smallIsBright: boolean): void {
  const scale = Math.min(1, LONGEST / Math.max(picture.rows, picture.columns));
  const width = Math.max(1, Math.round(picture.columns * scale));
  const height = Math.max(1, Math.round(picture.rows * scale));
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  const shown = context.createImageData(width, height);
  const range = Math.max(1, picture.high - picture.low);
  for (let y = 0; y < height; y++) {
    const row = Math.min(picture.rows - 1, Math.floor(y / scale)) * picture.columns;
    for (let x = 0; x < width; x++) {
      const value = picture.values[row + Math.min(picture.columns - 1, Math.floor(x / scale))] ?? 0;
      const grey = ((value - picture.low) / range) * 255;
      const at = (y * width + x) * 4;
      // The array is clamped by itself.
      shown.data.fill(smallIsBright ? 255 - grey : grey, at, at + 3);
      shown.data[at + 3] = 255;
    }
  }
  context.putImageData(shown, 0, 0);
}
