import { Skeleton, Text, Timeline } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { modelsHistoryOptions } from '@/client/@tanstack/react-query.gen';
import { percent } from '@/components/numbers';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';

/** What was done with the model, the latest first, and by whom. */
export function History({ modelId }: { modelId: string }) {
  const { t, i18n } = useTranslation('models');
  const { data, error, refetch } = useQuery(modelsHistoryOptions({ path: { model_id: modelId } }));
  if (error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton h={160} />;
  return (
    <Timeline bulletSize={14} lineWidth={2} active={data.items.length}>
      {data.items.map((event) => (
        <Timeline.Item key={`${event.at} ${event.kind}`} title={t(`event.${event.kind}`)}>
          <Text size="sm" c="dimmed">
            <Time at={event.at} />
            {event.share !== null && ` · ${t('of_jobs', { share: percent(event.share, i18n.language) })}`}
          </Text>
          <Text size="xs" c="dimmed">
            {t('by_whom')} {event.actor_name ?? event.actor}
          </Text>
        </Timeline.Item>
      ))}
    </Timeline>
  );
}
