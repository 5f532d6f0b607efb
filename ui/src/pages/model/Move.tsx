import { Button, Group, Modal, Stack } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { type UseMutationOptions, useMutation, useQueryClient } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { ModelVersionView } from '@/client';
import { ProblemNotice } from '@/components/ProblemNotice';
import { invalidateTopics } from '@/live/topics';

interface MoveProps<Options, Failure> {
  verb: 'activate' | 'shadow' | 'retire' | 'rollback';
  name: string;
  opened: boolean;
  onClose: () => void;
  mutation: UseMutationOptions<ModelVersionView, Failure, Options>;
  options: Options;
  /** What will happen, in words. */
  children: ReactNode;
}

/** The question before a model is moved: what will happen, and whether it shall. */
export function Move<Options, Failure>(props: MoveProps<Options, Failure>) {
  const { verb, name, opened, onClose, mutation, options, children } = props;
  const { t } = useTranslation('models');
  const queries = useQueryClient();
  const { mutate, isPending, error, reset } = useMutation({
    ...mutation,
    onSuccess: (row) => {
      invalidateTopics(queries, ['models']);
      notifications.show({
        color: 'teal',
        message: t(`done.${verb}`, { name: `${row.name} ${row.version}` }),
        closeButtonProps: { 'aria-label': t('move.close') },
      });
      onClose();
    },
  });
  const close = () => {
    reset();
    onClose();
  };
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={t(`ask.${verb}`, { name })}
      closeButtonProps={{ 'aria-label': t('move.keep') }}
      centered
    >
      <Stack>
        {children}
        {error && <ProblemNotice error={error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close} data-autofocus>
            {t('move.keep')}
          </Button>
          <Button color={verb === 'retire' ? 'red' : undefined} loading={isPending} onClick={() => mutate(options)}>
            {t(`move.${verb}`)}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
