import { Anchor, Badge, Button, Group, SegmentedControl, Skeleton, Stack, Table, Text } from '@mantine/core';
import { IconSend } from '@tabler/icons-react';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { type DeliveryState, type DeliveryView, deliveriesRedeliver } from '@/client';
import { deliveriesListingOptions, deliveryRulesListingOptions } from '@/client/@tanstack/react-query.gen';
import { refused } from '@/components/consequence';
import { Empty } from '@/components/Empty';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { WideTable } from '@/components/WideTable';
import { invalidateTopics } from '@/live/topics';
import { inWords, Problem } from '@/problem';

const STATES: DeliveryState[] = ['pending', 'delivered', 'dead'];
const COLORS = { pending: 'blue', delivered: 'teal', dead: 'red' } as const;

interface Search {
  tab?: string;
  state?: DeliveryState;
  cursor?: string;
}

/** What became of each result's way to each target, newest first; what was given up can be sent again. */
export function Sent() {
  const { t } = useTranslation(['deliveries', 'shell']);
  const navigate = useNavigate();
  const { state, cursor } = useSearch({ strict: false }) as Search;
  const query = { limit: 50, state: state ? [state] : undefined, cursor };
  const { data, error, refetch } = useQuery({
    ...deliveriesListingOptions({ query }),
    placeholderData: keepPreviousData,
  });
  const { data: rules } = useQuery(deliveryRulesListingOptions());
  const go = (search: Search) => void navigate({ to: '/admin/deliveries', search: { tab: 'sent', ...search } });
  const next = data?.next ?? null;
  return (
    <Stack>
      <SegmentedControl
        aria-label={t('state')}
        value={state ?? ''}
        onChange={(value) => go(value ? { state: value as DeliveryState } : {})}
        data={[{ value: '', label: t('all') }, ...STATES.map((one) => ({ value: one, label: t(`is.${one}`) }))]}
      />
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={300} aria-label={t('shell:loading')} />}
      {data?.items.length === 0 && <Empty icon={<IconSend size={40} aria-hidden />} title={t('nothing')} />}
      {data && data.items.length > 0 && (
        <WideTable label={t('sent')} minWidth={720} stacked>
          <Table verticalSpacing="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('made')}</Table.Th>
                <Table.Th>{t('rule')}</Table.Th>
                <Table.Th>{t('state')}</Table.Th>
                <Table.Th>{t('problem')}</Table.Th>
                <Table.Th>{t('actions')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {data.items.map((one) => (
                <Row key={one.id} item={one} rule={rules?.items.find(({ id }) => id === one.rule_id)?.name} />
              ))}
            </Table.Tbody>
          </Table>
        </WideTable>
      )}
      <Group>
        {cursor !== undefined && (
          <Button variant="default" onClick={() => go({ state })}>
            {t('newest')}
          </Button>
        )}
        {next !== null && (
          <Button variant="default" onClick={() => go({ state, cursor: next })}>
            {t('older')}
          </Button>
        )}
      </Group>
    </Stack>
  );
}

function Row({ item, rule }: { item: DeliveryView; rule: string | undefined }) {
  const { t } = useTranslation('deliveries');
  const queries = useQueryClient();
  const again = useMutation({
    mutationFn: () => deliveriesRedeliver({ path: { delivery_id: item.id }, throwOnError: true }),
    onError: refused,
    onSuccess: () => invalidateTopics(queries, ['deliveries']),
  });
  return (
    <Table.Tr>
      <Table.Td data-label={t('made')}>
        <Anchor size="sm" renderRoot={(props) => <Link {...props} to="/jobs/$jobId" params={{ jobId: item.job_id }} />}>
          <Time at={item.created_at} />
        </Anchor>
      </Table.Td>
      <Table.Td data-label={t('rule')}>
        <Text size="sm">{rule ?? '–'}</Text>
      </Table.Td>
      <Table.Td data-label={t('state')}>
        <Badge color={COLORS[item.state]} variant="light" tt="none">
          {t(`is.${item.state}`)}
        </Badge>
        <Text size="xs" c="dimmed">
          {t('tries', { count: item.attempt })}
          {item.next_attempt_at && (
            <>
              {' · '}
              {t('next_try')} <Time at={item.next_attempt_at} />
            </>
          )}
        </Text>
      </Table.Td>
      <Table.Td data-label={t('problem')} maw={320}>
        {item.code && item.state !== 'delivered' && (
          <Text size="sm">{inWords(new Problem(502, item.code, item.detail ?? item.code, item.detail ?? ''))}</Text>
        )}
      </Table.Td>
      <Table.Td data-label={t('actions')}>
        {item.state !== 'pending' && (
          <Button size="xs" variant="default" loading={again.isPending} onClick={() => again.mutate()}>
            {t('redeliver')}
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
