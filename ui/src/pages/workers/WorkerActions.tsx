import { Button, Group, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { notifications } from '@mantine/notifications';
import { IconPlayerPause, IconPlayerPlay, IconRotate } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { WorkerView } from '@/client';
import {
  workersDrainMutation,
  workersListingQueryKey,
  workersRestartMutation,
  workersResumeMutation,
} from '@/client/@tanstack/react-query.gen';
import { inWords, problemOf } from '@/problem';

/** Claim nothing more, go on, start anew. */
export function WorkerActions({ worker }: { worker: WorkerView }) {
  const { t } = useTranslation(['workers', 'shell']);
  const queries = useQueryClient();
  const after = {
    onSuccess: () => queries.invalidateQueries({ queryKey: workersListingQueryKey() }),
    onError: (error: unknown) => void notifications.show({ color: 'red', message: inWords(problemOf(error)) }),
  };
  const drain = useMutation({ ...workersDrainMutation(), ...after });
  const resume = useMutation({ ...workersResumeMutation(), ...after });
  const restart = useMutation({ ...workersRestartMutation(), ...after });
  const path = { name: worker.name };
  const confirmRestart = () =>
    modals.openConfirmModal({
      title: t('workers:restart_title'),
      children: <Text size="sm">{t('workers:restart_detail', { name: worker.name })}</Text>,
      labels: { confirm: t('workers:restart'), cancel: t('shell:cancel') },
      onConfirm: () => restart.mutate({ path }),
    });
  const busy = drain.isPending || resume.isPending || restart.isPending;
  return (
    <Group mt="md" gap="xs">
      {worker.wish === 'run' && (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconPlayerPause size={14} aria-hidden />}
          disabled={busy || !worker.alive}
          onClick={() => drain.mutate({ path })}
        >
          {t('workers:drain')}
        </Button>
      )}
      {worker.wish === 'drain' && (
        <Button
          size="xs"
          leftSection={<IconPlayerPlay size={14} aria-hidden />}
          disabled={busy}
          onClick={() => resume.mutate({ path })}
        >
          {t('workers:resume')}
        </Button>
      )}
      <Button
        size="xs"
        variant="default"
        leftSection={<IconRotate size={14} aria-hidden />}
        disabled={busy || worker.wish === 'restart' || !worker.alive}
        onClick={confirmRestart}
      >
        {t('workers:restart')}
      </Button>
    </Group>
  );
}
