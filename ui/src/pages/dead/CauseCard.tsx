import { Anchor, Badge, Button, Card, Collapse, Group, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconChevronDown, IconChevronRight, IconRepeat } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { CauseView } from '@/client';
import { StateBadge } from '@/components/StateBadge';
import { Time } from '@/components/Time';
import { DeadJobs } from '@/pages/dead/DeadJobs';
import { useBulk } from '@/pages/jobs/BulkBar';
import { inWords, Problem } from '@/problem';

/** One cause: what it is, how many jobs met it, whether a retry may help. */
export function CauseCard({ cause }: { cause: CauseView }) {
  const { t, i18n } = useTranslation('dead');
  const allowed = useAllowed();
  const [opened, { toggle }] = useDisclosure(false);
  const { ask, busy } = useBulk(() => undefined);
  const { code, state, jobs, retryable } = cause;
  const filter = { state: [state], code: code === null ? [] : [code], replayed: false };
  const title = code === null ? t('no_code') : inWords(new Problem(0, code, cause.title ?? code, cause.title ?? code));
  const number = new Intl.NumberFormat(i18n.language).format(jobs);
  return (
    <Card withBorder component="section" data-cause={code}>
      <Group justify="space-between" align="flex-start">
        <Stack gap={4} flex="1 1 20rem">
          <Title order={2} size="h4">
            {title}
          </Title>
          <Group gap="xs">
            <StateBadge state={state} />
            <Badge variant="light" color={retryable ? 'teal' : 'gray'} tt="none">
              {t(retryable ? 'may_pass' : 'will_not_pass')}
            </Badge>
            {code && <code>{code}</code>}
          </Group>
          <Text size="sm">
            {t('jobs', { count: jobs, number })} · {t('newest')} <Time at={cause.newest} /> · {t('oldest')}{' '}
            <Time at={cause.oldest} />
          </Text>
        </Stack>
        <Group gap="xs">
          <Button
            size="xs"
            variant="subtle"
            aria-expanded={opened}
            leftSection={
              opened ? <IconChevronDown size={14} aria-hidden /> : <IconChevronRight size={14} aria-hidden />
            }
            onClick={toggle}
          >
            {t('show')}
          </Button>
          {allowed('submit') && code !== null && (
            <Button
              size="xs"
              loading={busy}
              leftSection={<IconRepeat size={14} aria-hidden />}
              onClick={() => ask('retry', { filter })}
            >
              {t('replay_all')}
            </Button>
          )}
        </Group>
      </Group>
      <Collapse expanded={opened}>
        {opened && (
          <Stack gap="xs" mt="sm">
            <DeadJobs filter={filter} />
            <Anchor size="sm" renderRoot={(rest) => <Link {...rest} to="/jobs" search={filter as never} />}>
              {t('in_list')}
            </Anchor>
          </Stack>
        )}
      </Collapse>
    </Card>
  );
}
