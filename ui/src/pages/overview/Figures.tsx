import { Card, SimpleGrid, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { OverviewView } from '@/client';
import { Duration } from '@/components/Duration';

const COLUMNS = { base: 2, sm: 3, lg: 6 };

/** The six numbers that say whether all is well. */
export function Figures({ overview }: { overview: OverviewView }) {
  const { t, i18n } = useTranslation('overview');
  const number = (value: number) => new Intl.NumberFormat(i18n.language).format(value);
  const share = (value: number | null) =>
    value === null
      ? '–'
      : new Intl.NumberFormat(i18n.language, { style: 'percent', maximumFractionDigits: 1 }).format(value);
  const { jobs, last_hour: hour, last_day: day, workers } = overview;
  const waiting = (jobs.queued ?? 0) + (jobs.retry_wait ?? 0);
  return (
    <SimpleGrid cols={COLUMNS} spacing="sm">
      <Figure name="waiting" note={jobs.held ? t('figure.held', { count: jobs.held }) : undefined}>
        {number(waiting)}
      </Figure>
      <Figure name="oldest">
        <Duration seconds={overview.oldest_seconds} />
      </Figure>
      <Figure name="running">{number(jobs.running ?? 0)}</Figure>
      <Figure name="per_minute" note={t('figure.hour', { count: hour.succeeded })}>
        {number(overview.per_minute)}
      </Figure>
      <Figure
        name="failures"
        alert={(hour.failure_rate ?? 0) > 0.05}
        note={t('figure.day', { rate: share(day.failure_rate) })}
      >
        {share(hour.failure_rate)}
      </Figure>
      <Figure
        name="workers"
        alert={workers.alive === workers.drained}
        note={workers.drained > 0 ? t('figure.drained', { count: workers.drained }) : undefined}
      >
        {number(workers.alive)}
        {workers.known > workers.alive && ` / ${number(workers.known)}`}
      </Figure>
    </SimpleGrid>
  );
}

interface FigureProps {
  name: 'waiting' | 'oldest' | 'running' | 'per_minute' | 'failures' | 'workers';
  note?: string | undefined;
  /** Whether it wants attention. */
  alert?: boolean;
  children: ReactNode;
}

function Figure({ name, note, alert = false, children }: FigureProps) {
  const { t } = useTranslation('overview');
  return (
    <Card withBorder padding="sm" data-figure={name}>
      <Text size="sm" c="dimmed">
        {t(`figure.${name}`)}
      </Text>
      <Text size="xl" fw={700} c={alert ? 'red' : undefined}>
        {children}
        {alert && (
          <Text span size="sm" fw={400}>
            {' '}
            {t('figure.attention')}
          </Text>
        )}
      </Text>
      <Text size="xs" c="dimmed">
        {note ?? '\u00a0'}
      </Text>
    </Card>
  );
}
