import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { BatchView } from '@/client';
import { stageOf } from '@/pages/batches/BatchProgress';

/** How fast a batch goes over the last minutes, and how long it will take if it stays so. */
export function Remaining({ batch }: { batch: BatchView }) {
  const { t, i18n } = useTranslation('batches');
  const rate = new Intl.NumberFormat(i18n.language, { maximumSignificantDigits: 2 });
  return (
    <>
      <Text size="sm">{t('rate', { rate: rate.format(batch.throughput.finished_per_s * 60) })}</Text>
      <Text size="xs" c="dimmed">
        {batch.eta_s === null ? t('eta_unknown') : t('eta', { duration: duration(batch.eta_s, i18n.language) })}
      </Text>
    </>
  );
}

/** How fast a batch that is through went, from when it was made to its last file. */
export function Overall({ batch }: { batch: BatchView }) {
  const { t, i18n } = useTranslation('batches');
  if (batch.through_at === null || stageOf(batch) === 'cancelled') return null;
  const seconds = secondsOf(batch.created_at, batch.through_at);
  const rate = new Intl.NumberFormat(i18n.language, { maximumSignificantDigits: 2 });
  return (
    <>
      <Text size="sm">{t('rate', { rate: rate.format((batch.files / seconds) * 60) })}</Text>
      <Text size="xs" c="dimmed">
        {t('overall', { duration: duration(seconds, i18n.language) })}
      </Text>
    </>
  );
}

/** Between two times; one at least, for a file that was known already is through at once. */
const secondsOf = (from: string, to: string): number => Math.max(1, (Date.parse(to) - Date.parse(from)) / 1000);

/** Seconds as people say them: the two largest units that matter. */
function duration(seconds: number, language: string): string {
  const say = (value: number, unit: 'hour' | 'minute' | 'second') =>
    new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 0 }).format(
      value,
    );
  if (seconds < 60) return say(Math.max(1, Math.ceil(seconds)), 'second');
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return say(minutes, 'minute');
  return `${say(Math.floor(minutes / 60), 'hour')} ${say(minutes % 60, 'minute')}`;
}
