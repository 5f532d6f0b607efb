import { Progress, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { BatchView } from '@/client';

/** How far a batch is, in words and as a bar: what has ended without a result is red. */
export function BatchProgress({ batch, size = 'md' }: { batch: BatchView; size?: 'md' | 'xl' }) {
  const { t, i18n } = useTranslation('batches');
  const failures = batch.failures.reduce((sum, { count }) => sum + count, 0) / batch.files;
  const well = Math.max(0, batch.progress - failures);
  // Down, so that 100 % is said of nothing that is not through.
  const percent = new Intl.NumberFormat(i18n.language, { style: 'percent' }).format(
    Math.floor(batch.progress * 100) / 100,
  );
  return (
    <div>
      <Progress.Root size={size}>
        <Progress.Section value={well * 100} color="teal" aria-label={t('progress.well')} />
        <Progress.Section value={failures * 100} color="red" aria-label={t('progress.failed')} />
      </Progress.Root>
      <Text size="xs" mt={4}>
        {percent} · {t(`stage.${stageOf(batch)}`)}
      </Text>
    </div>
  );
}

export type BatchStage = 'done' | 'cancelled' | 'open' | 'work';

/** `open`: files are still awaited; `work`: all that came are being judged. */
export function stageOf(batch: BatchView): BatchStage {
  if (batch.failures.some(({ code }) => code === 'batch_cancelled')) return 'cancelled';
  if (batch.done) return 'done';
  return batch.state === 'open' ? 'open' : 'work';
}
