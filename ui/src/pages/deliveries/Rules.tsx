import { Badge, Button, Group, Skeleton, Switch, Table, Text } from '@mantine/core';
import { IconSend } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { type DeliveryRuleView, deliveryRulesChange, deliveryRulesRemove, deliveryRulesRotate } from '@/client';
import { deliveryRulesListingOptions, deliveryRulesListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { confirmed, refused } from '@/components/consequence';
import { Empty } from '@/components/Empty';
import { ProblemNotice } from '@/components/ProblemNotice';
import { showSecret } from '@/components/secret';
import { Time } from '@/components/Time';
import { WideTable } from '@/components/WideTable';

/** The Site's rules, and whether their targets can be reached. */
export function Rules() {
  const { t } = useTranslation(['deliveries', 'shell']);
  const { data, error, refetch } = useQuery(deliveryRulesListingOptions());
  if (error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton height={200} aria-label={t('shell:loading')} />;
  if (data.items.length === 0)
    return (
      <Empty icon={<IconSend size={40} aria-hidden />} title={t('no_rules')}>
        {t('no_rules_hint')}
      </Empty>
    );
  return (
    <WideTable label={t('rules')} minWidth={720} stacked>
      <Table verticalSpacing="sm">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('rule')}</Table.Th>
            <Table.Th>{t('target')}</Table.Th>
            <Table.Th>{t('what')}</Table.Th>
            <Table.Th>{t('enabled')}</Table.Th>
            <Table.Th>{t('actions')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {data.items.map((rule) => (
            <Rule key={rule.id} rule={rule} />
          ))}
        </Table.Tbody>
      </Table>
    </WideTable>
  );
}

function targetOf({ target }: DeliveryRuleView): string {
  if (typeof target.url === 'string') return target.url;
  return `${String(target.called_ae_title)} · ${String(target.host)}:${String(target.port)}`;
}

function Rule({ rule }: { rule: DeliveryRuleView }) {
  const { t } = useTranslation(['deliveries', 'shell', 'words', 'reports']);
  const queries = useQueryClient();
  const path = { rule_id: rule.id };
  const options = {
    onError: refused,
    onSettled: () => queries.invalidateQueries({ queryKey: deliveryRulesListingQueryKey() }),
  };
  const enable = useMutation({
    mutationFn: (enabled: boolean) => deliveryRulesChange({ path, body: { enabled }, throwOnError: true }),
    ...options,
  });
  const remove = useMutation({ mutationFn: () => deliveryRulesRemove({ path, throwOnError: true }), ...options });
  const rotate = useMutation({
    mutationFn: async () => (await deliveryRulesRotate({ path, throwOnError: true })).data,
    onSuccess: ({ signing_key }) =>
      showSecret({ title: rule.name, label: t('signing_key'), secret: signing_key, hint: t('once') }),
    ...options,
  });
  const ask = (verb: 'remove' | 'rotate', onConfirm: () => void) =>
    confirmed({
      title: t('of', { action: t(verb), name: rule.name }),
      detail: t(`${verb}_detail`),
      confirm: t(verb),
      cancel: t('shell:cancel'),
      onConfirm,
    });
  return (
    <Table.Tr>
      <Table.Td data-label={t('rule')}>
        <Text size="sm" fw={600}>
          {rule.name}
        </Text>
        <Badge variant="default" tt="none">
          {t(`kind.${rule.kind}`)}
        </Badge>
        {rule.with_identity && (
          <Badge color="yellow" variant="light" tt="none">
            {t('with_identity')}
          </Badge>
        )}
      </Table.Td>
      <Table.Td data-label={t('target')}>
        <Text size="sm">{targetOf(rule)}</Text>
        {rule.failures > 0 && (
          <Text size="sm" c="red">
            {t('failures', { count: rule.failures })}
            {rule.closed_until !== null && (
              <>
                {' · '}
                {t('closed_until')} <Time at={rule.closed_until} />
              </>
            )}
          </Text>
        )}
      </Table.Td>
      <Table.Td data-label={t('what')}>
        <Text size="sm">{rule.reports.map((kind) => t(`reports:sent.${kind}`)).join(', ')}</Text>
        <Text size="sm" c="dimmed">
          {rule.events.map((state) => t(`words:state.${state}`)).join(', ')}
        </Text>
      </Table.Td>
      <Table.Td data-label={t('enabled')}>
        <Switch
          checked={rule.enabled}
          disabled={enable.isPending}
          onChange={(event) => enable.mutate(event.currentTarget.checked)}
          aria-label={t('of', { action: t('enabled'), name: rule.name })}
        />
      </Table.Td>
      <Table.Td data-label={t('actions')}>
        <Group gap="xs" wrap="nowrap">
          {rule.kind === 'webhook' && (
            <Button size="xs" variant="default" onClick={() => ask('rotate', () => rotate.mutate())}>
              {t('rotate')}
            </Button>
          )}
          <Button
            size="xs"
            variant="default"
            onClick={() => ask('remove', () => remove.mutate())}
            aria-label={t('of', { action: t('remove'), name: rule.name })}
          >
            {t('remove')}
          </Button>
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}
