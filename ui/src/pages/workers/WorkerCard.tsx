import { Badge, Card, Group, Text, Title } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { WorkerView } from '@/client';
import { Time } from '@/components/Time';
import { Claim } from '@/pages/workers/Claim';
import { Fact, Facts } from '@/pages/workers/Facts';
import { WorkerActions } from '@/pages/workers/WorkerActions';
import { inWords, Problem } from '@/problem';

const COLORS: Record<string, string> = {
  ready: 'teal',
  waiting: 'yellow',
  draining: 'orange',
  drained: 'gray',
  restarting: 'blue',
};

/** One worker process. */
export function WorkerCard({ worker }: { worker: WorkerView }) {
  const { t } = useTranslation('workers');
  const { model } = worker;
  return (
    <Card withBorder padding="md" component="article" data-worker={worker.name}>
      <Group justify="space-between" align="start" wrap="nowrap" mb="xs">
        <Title order={2} size="h5" lineClamp={2}>
          <span translate="no">{worker.host ?? worker.name}</span>
          <Text span c="dimmed" size="sm" fw={400}>
            {' '}
            {t('process', { pid: worker.pid })}
          </Text>
        </Title>
        <WorkerState worker={worker} />
      </Group>
      <Facts>
        <Fact name={t('model')}>{model === null ? t('no_model') : `${model.name} ${model.version}`}</Fact>
        {worker.failed_code !== null && (
          <Fact name={t('failed')}>
            <Text span size="sm" c="red">
              {inWords(new Problem(503, worker.failed_code, worker.failed_code, ''))}
            </Text>
          </Fact>
        )}
        <Fact name={t('engine')}>{worker.engine}</Fact>
        <Fact name={t('device')}>{worker.device ?? '–'}</Fact>
        <Fact name={t('claim')}>
          <Claim jobs={worker.jobs} />
        </Fact>
        <Fact name={t('seen')}>
          <Time at={worker.seen_at} exact />
        </Fact>
        <Fact name={t('started')}>
          <Time at={worker.started_at} />
        </Fact>
      </Facts>
      <WorkerActions worker={worker} />
    </Card>
  );
}

function WorkerState({ worker: { alive, state, wish } }: { worker: WorkerView }) {
  const { t } = useTranslation('workers');
  // It has not read yet what is asked of it; the page says at once that it was asked.
  if (alive && wish !== 'run' && (state === 'ready' || state === 'waiting'))
    return (
      <Badge color="orange" variant="light" tt="none" flex="none">
        {t(`state.asked_${wish}`)}
      </Badge>
    );
  const known = state in COLORS ? (state as 'ready') : null;
  return (
    <Badge color={alive ? (COLORS[state] ?? 'gray') : 'red'} variant="light" tt="none" flex="none">
      {alive ? (known === null ? state : t(`state.${known}`)) : t('state.silent')}
    </Badge>
  );
}
