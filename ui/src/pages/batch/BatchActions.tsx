import { Button, Group, Menu } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconChevronDown, IconDownload, IconListCheck } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import type { BatchView } from '@/client';
import { batchesCancelMutation, batchesLookQueryKey } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { forgetBatch } from '@/upload/journal';

const FORMS = ['csv', 'ndjson', 'zip'] as const;

/** What is done with a whole batch: its results fetched, its rest cancelled. */
export function BatchActions({ batch }: { batch: BatchView }) {
  const { t } = useTranslation(['batches', 'shell']);
  const allowed = useAllowed();
  const queries = useQueryClient();
  const cancel = useMutation({
    ...batchesCancelMutation(),
    onSuccess: (data) => {
      forgetBatch(batch.id);
      queries.setQueryData(batchesLookQueryKey({ path: { batch_id: batch.id } }), data);
    },
    onError: (error) => modals.open({ children: <ProblemNotice error={error} /> }),
  });
  const ask = () =>
    modals.openConfirmModal({
      title: t('cancel.title'),
      children: t('cancel.detail'),
      labels: { confirm: t('cancel.confirm'), cancel: t('cancel.keep') },
      confirmProps: { color: 'red' },
      onConfirm: () => cancel.mutate({ path: { batch_id: batch.id } }),
    });
  return (
    <Group gap="xs">
      <Button
        variant="default"
        leftSection={<IconListCheck size={16} aria-hidden />}
        renderRoot={(props) => <Link {...props} to="/jobs" search={{ batch: batch.id }} />}
      >
        {t('jobs')}
      </Button>
      <Menu position="bottom-end" withInitialFocusPlaceholder={false} menuItemTabIndex={0}>
        <Menu.Target>
          <Button
            variant="default"
            leftSection={<IconDownload size={16} aria-hidden />}
            rightSection={<IconChevronDown size={14} aria-hidden />}
          >
            {t('results')}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {FORMS.map((form) => (
            <Menu.Item key={form} component="a" href={batch.links[form]} download={`batch-${batch.id}.${form}`}>
              {t(`form.${form}`)}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {!batch.done && allowed('submit') && (
        <Button color="red" variant="light" loading={cancel.isPending} onClick={ask}>
          {t('cancel.action')}
        </Button>
      )}
    </Group>
  );
}
