import { Badge, Button, Group, Skeleton, Table, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconKey } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { type KeyMade, type KeyView, keysRevoke, keysRotate } from '@/client';
import { keysListingOptions, keysListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { confirmed, refused } from '@/components/consequence';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { showSecret } from '@/components/secret';
import { Time } from '@/components/Time';
import { WideTable } from '@/components/WideTable';
import { KeyForm } from '@/pages/keys/KeyForm';

const ended = (key: KeyView) =>
  key.revoked_at !== null || (key.expires_at !== null && Date.parse(key.expires_at) <= Date.now());

/** The Site's API keys: what programs come in with. */
export function KeysPage() {
  const { t } = useTranslation(['admin', 'shell']);
  const { data, error, refetch } = useQuery(keysListingOptions());
  const show = (made: KeyMade) =>
    showSecret({
      title: t('keys.made', { name: made.name }),
      label: t('keys.secret'),
      secret: made.secret,
      hint: t('once'),
    });
  const make = () => modals.open({ title: t('keys.new'), children: <KeyForm onMade={show} /> });
  return (
    <Page title={t('keys.title')} actions={<Button onClick={make}>{t('keys.new')}</Button>}>
      <Text size="sm">{t('keys.hint')}</Text>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={240} aria-label={t('shell:loading')} />}
      {data?.items.length === 0 && (
        <Empty icon={<IconKey size={40} aria-hidden />} title={t('keys.empty')}>
          {t('keys.empty_hint')}
        </Empty>
      )}
      {data && data.items.length > 0 && (
        <WideTable label={t('keys.title')} minWidth={720} stacked>
          <Table verticalSpacing="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t('name')}</Table.Th>
                <Table.Th>{t('keys.may')}</Table.Th>
                <Table.Th>{t('keys.used')}</Table.Th>
                <Table.Th>{t('keys.ends')}</Table.Th>
                <Table.Th>{t('actions')}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {data.items.map((key) => (
                <KeyRow key={key.id} item={key} onMade={show} />
              ))}
            </Table.Tbody>
          </Table>
        </WideTable>
      )}
    </Page>
  );
}

function KeyRow({ item, onMade }: { item: KeyView; onMade: (made: KeyMade) => void }) {
  const { t } = useTranslation(['admin', 'shell']);
  const queries = useQueryClient();
  const options = {
    onError: refused,
    onSettled: () => queries.invalidateQueries({ queryKey: keysListingQueryKey() }),
  };
  const path = { key_id: item.id };
  const revoke = useMutation({ mutationFn: () => keysRevoke({ path, throwOnError: true }), ...options });
  const rotate = useMutation({
    mutationFn: async () => (await keysRotate({ path, body: {}, throwOnError: true })).data,
    onSuccess: onMade,
    ...options,
  });
  const cancel = t('shell:cancel');
  const ask = (verb: 'revoke' | 'rotate', onConfirm: () => void) =>
    confirmed({
      title: t(`keys.${verb}_title`, { name: item.name }),
      detail: t(`keys.${verb}_detail`),
      confirm: t(`keys.${verb}`),
      cancel,
      onConfirm,
    });
  return (
    <Table.Tr>
      <Table.Td data-label={t('name')}>
        <Text size="sm" fw={600}>
          {item.name}
        </Text>
        <Text size="xs" c="dimmed" ff="monospace" translate="no">
          {item.prefix}…
        </Text>
      </Table.Td>
      <Table.Td data-label={t('keys.may')}>
        <Group gap={4}>
          {item.scopes.map((scope) => (
            <Badge key={scope} variant="default" tt="none">
              {t(`scope.${scope}`)}
            </Badge>
          ))}
        </Group>
      </Table.Td>
      <Table.Td data-label={t('keys.used')}>
        <Time at={item.used_at} />
      </Table.Td>
      <Table.Td data-label={t('keys.ends')}>
        {item.revoked_at !== null ? (
          <>
            {t('keys.revoked')} <Time at={item.revoked_at} />
          </>
        ) : item.expires_at !== null ? (
          <Time at={item.expires_at} />
        ) : (
          t('never')
        )}
      </Table.Td>
      <Table.Td data-label={t('actions')}>
        {!ended(item) && (
          <Group gap="xs" wrap="nowrap">
            <Button
              size="xs"
              variant="default"
              loading={rotate.isPending}
              onClick={() => ask('rotate', () => rotate.mutate())}
              aria-label={t('of', { action: t('keys.rotate'), name: item.name })}
            >
              {t('keys.rotate')}
            </Button>
            <Button
              size="xs"
              variant="default"
              loading={revoke.isPending}
              onClick={() => ask('revoke', () => revoke.mutate())}
              aria-label={t('of', { action: t('keys.revoke'), name: item.name })}
            >
              {t('keys.revoke')}
            </Button>
          </Group>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
