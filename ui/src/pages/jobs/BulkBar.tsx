import { Button, Group, Menu, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { notifications } from '@mantine/notifications';
import { IconChevronDown, IconPlayerStop, IconRepeat } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { BulkAction, BulkView } from '@/client';
import { ProblemNotice } from '@/components/ProblemNotice';
import { invalidateTopics } from '@/live/topics';
import { BulkQuestion } from '@/pages/jobs/BulkQuestion';
import { type Chosen, doAll } from '@/pages/jobs/bulk';
import type { JobFilters } from '@/pages/jobs/search';

interface BulkBarProps {
  filters: JobFilters;
  selected: ReadonlySet<string>;
  onDone: () => void;
}

const ICONS = { cancel: IconPlayerStop, retry: IconRepeat } as const;

/** Cancel or retry what is chosen, or all of the list; asked before. */
export default function BulkBar({ filters, selected, onDone }: BulkBarProps) {
  const { t } = useTranslation('jobs');
  const { ask, busy } = useBulk(onDone);
  return (
    <Group gap="xs">
      {selected.size > 0 && (
        <>
          <Text size="sm" role="status">
            {t('selected', { count: selected.size })}
          </Text>
          {(['cancel', 'retry'] as const).map((action) => {
            const Icon = ICONS[action];
            return (
              <Button
                key={action}
                size="xs"
                variant="default"
                loading={busy}
                leftSection={<Icon size={14} aria-hidden />}
                onClick={() => ask(action, { ids: [...selected] })}
              >
                {t(`do.${action}`)}
              </Button>
            );
          })}
        </>
      )}
      <Menu position="bottom-end" withInitialFocusPlaceholder={false} menuItemTabIndex={0}>
        <Menu.Target>
          <Button size="xs" variant="default" loading={busy} rightSection={<IconChevronDown size={14} aria-hidden />}>
            {t('all_of_list')}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {(['cancel', 'retry'] as const).map((action) => {
            const Icon = ICONS[action];
            return (
              <Menu.Item
                key={action}
                leftSection={<Icon size={14} aria-hidden />}
                onClick={() => ask(action, { filter: filters })}
              >
                {t(`all.${action}`)}
              </Menu.Item>
            );
          })}
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}

/** Ask, do, and tell what became of it. */
export function useBulk(onDone: () => void) {
  const { t } = useTranslation(['jobs', 'shell']);
  const queries = useQueryClient();
  const run = useMutation({
    mutationFn: ({ action, chosen }: { action: BulkAction; chosen: Chosen }) => doAll(action, chosen),
    onSuccess: (done) => {
      notifications.show({ message: <Outcome done={done} />, color: done.done > 0 ? 'teal' : 'yellow' });
      onDone();
    },
    onError: (error) => modals.open({ children: <ProblemNotice error={error} /> }),
    onSettled: () => invalidateTopics(queries, ['jobs']),
  });
  const ask = (action: BulkAction, chosen: Chosen) =>
    modals.openConfirmModal({
      title: t(`ask.${action}`),
      children: <BulkQuestion action={action} chosen={chosen} />,
      labels: { confirm: t(`do.${action}`), cancel: t('leave') },
      confirmProps: action === 'cancel' ? { color: 'red' } : {},
      onConfirm: () => run.mutate({ action, chosen }),
    });
  return { ask, busy: run.isPending };
}

function Outcome({ done }: { done: BulkView }) {
  const { t } = useTranslation('jobs');
  const left = (['unfit', 'repeated', 'missing', 'no_room'] as const).filter((name) => done[name] > 0);
  return (
    <>
      <Text size="sm">{t(`done.${done.action}`, { count: done.done })}</Text>
      {left.map((name) => (
        <Text key={name} size="sm">
          {t(`left.${name}`, { count: done[name] })}
        </Text>
      ))}
    </>
  );
}
