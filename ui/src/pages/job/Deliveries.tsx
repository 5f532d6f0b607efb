import { Badge, Button, Card, Group, Stack, Text, Title } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { DeliveryView, JobView } from '@/client';
import {
  deliveriesOfJobOptions,
  deliveriesRedeliverMutation,
  deliveryRulesListingOptions,
} from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { invalidateTopics } from '@/live/topics';
import { inWords, Problem } from '@/problem';

const COLORS = { pending: 'blue', delivered: 'teal', dead: 'red' } as const;

/** Where the result went by itself; nothing where no rule sent it. */
export function Deliveries({ job }: { job: JobView }) {
  const { t } = useTranslation('job');
  const allowed = useAllowed();
  const { data, error, refetch } = useQuery(deliveriesOfJobOptions({ path: { job_id: job.id } }));
  const { data: rules } = useQuery({ ...deliveryRulesListingOptions(), enabled: allowed('admin') });
  if (error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  if (!data || data.items.length === 0) return null;
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4" mb="sm">
        {t('deliveries')}
      </Title>
      <Stack gap="sm">
        {data.items.map((delivery) => (
          <Delivery
            key={delivery.id}
            delivery={delivery}
            name={rules?.items.find((rule) => rule.id === delivery.rule_id)?.name}
          />
        ))}
      </Stack>
    </Card>
  );
}

function Delivery({ delivery, name }: { delivery: DeliveryView; name: string | undefined }) {
  const { t } = useTranslation('job');
  const allowed = useAllowed();
  const queries = useQueryClient();
  const again = useMutation({
    ...deliveriesRedeliverMutation(),
    onSuccess: () => invalidateTopics(queries, ['deliveries']),
    onError: (error) => void modals.open({ children: <ProblemNotice error={error} /> }),
  });
  const { state, attempt, code, detail } = delivery;
  return (
    <Group justify="space-between" gap="xs">
      <Stack gap={2}>
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {name ?? t('a_rule', { id: delivery.rule_id.slice(0, 13) })}
          </Text>
          <Badge color={COLORS[state]} variant="light" tt="none">
            {t(`delivery.${state}`)}
          </Badge>
        </Group>
        <Text size="sm" c="dimmed">
          {t('tries', { count: attempt })} · <Time at={delivery.delivered_at ?? delivery.created_at} />
          {delivery.next_attempt_at && (
            <>
              {' · '}
              {t('next_try')} <Time at={delivery.next_attempt_at} />
            </>
          )}
        </Text>
        {code && state !== 'delivered' && (
          <Text size="sm">{inWords(new Problem(502, code, detail ?? code, detail ?? ''))}</Text>
        )}
      </Stack>
      {state !== 'pending' && allowed('admin') && (
        <Button
          size="xs"
          variant="default"
          loading={again.isPending}
          onClick={() => again.mutate({ path: { delivery_id: delivery.id } })}
        >
          {t('do.redeliver')}
        </Button>
      )}
    </Group>
  );
}
