import { Badge, Button, Card, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import { modals } from '@mantine/modals';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { OwnSessionView } from '@/client';
import { sessionEndOne, sessionEndOthers } from '@/client';
import { sessionListingOptions, sessionListingQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { browserOf } from '@/pages/account/browserOf';
import { inWords, problemOf } from '@/problem';

/** Where one is signed in, and the way out there. */
export function OwnSessions() {
  const { t } = useTranslation('account');
  const { t: shell } = useTranslation();
  const queries = useQueryClient();
  const sessions = useQuery(sessionListingOptions());
  const refused = (error: Error) => notifications.show({ color: 'red', message: inWords(problemOf(error)) });
  const settled = () => queries.invalidateQueries({ queryKey: sessionListingQueryKey() });
  const endOne = useMutation({
    mutationFn: (id: string) => sessionEndOne({ path: { session_id: id }, throwOnError: true }),
    onError: refused,
    onSettled: settled,
  });
  const endOthers = useMutation({
    mutationFn: () => sessionEndOthers({ throwOnError: true }),
    onSuccess: () => notifications.show({ color: 'teal', message: t('sessions.ended') }),
    onError: refused,
    onSettled: settled,
  });
  const items = sessions.data?.items ?? [];
  const confirm = () =>
    modals.openConfirmModal({
      title: t('sessions.end_others'),
      children: <Text size="sm">{t('sessions.end_others_detail')}</Text>,
      labels: { confirm: t('sessions.end_others'), cancel: shell('cancel') },
      onConfirm: () => endOthers.mutate(),
    });
  return (
    <Card withBorder component="section" aria-labelledby="sessions-title">
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4" id="sessions-title">
          {t('sessions.title')}
        </Title>
        {items.length > 1 && (
          <Button variant="default" size="xs" onClick={confirm} loading={endOthers.isPending}>
            {t('sessions.end_others')}
          </Button>
        )}
      </Group>
      {sessions.isPending && <Skeleton height={64} aria-label={shell('loading')} />}
      {sessions.isError && <ProblemNotice error={sessions.error} onRetry={() => void sessions.refetch()} />}
      <Stack gap="sm" component="ul" p={0} m={0}>
        {items.map((item) => (
          <OwnSession key={item.id} item={item} onEnd={() => endOne.mutate(item.id)} />
        ))}
      </Stack>
    </Card>
  );
}

function OwnSession({ item, onEnd }: { item: OwnSessionView; onEnd: () => void }) {
  const { t } = useTranslation('account');
  const name = browserOf(item.agent) ?? t('sessions.unknown');
  return (
    <Group component="li" justify="space-between" wrap="nowrap" align="flex-start">
      <div>
        <Group gap="xs">
          <Text fw={600} size="sm">
            {name}
          </Text>
          {item.current && (
            <Badge size="sm" variant="light" tt="none">
              {t('sessions.current')}
            </Badge>
          )}
        </Group>
        <Text size="sm" c="dimmed">
          {t('sessions.since')} <Time at={item.created_at} />
        </Text>
        <Text size="sm" c="dimmed">
          {t('sessions.seen')} <Time at={item.seen_at} />
        </Text>
      </div>
      {!item.current && (
        <Button variant="default" size="xs" flex="none" onClick={onEnd} aria-label={t('sessions.end_named', { name })}>
          {t('sessions.end')}
        </Button>
      )}
    </Group>
  );
}
