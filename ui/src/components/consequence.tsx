import { Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { notifications } from '@mantine/notifications';
import { inWords, problemOf } from '@/problem';

/** Ask before what cannot be taken back. */
export function confirmed(asked: {
  title: string;
  detail: string;
  confirm: string;
  cancel: string;
  onConfirm: () => void;
}): void {
  modals.openConfirmModal({
    title: asked.title,
    children: <Text size="sm">{asked.detail}</Text>,
    labels: { confirm: asked.confirm, cancel: asked.cancel },
    confirmProps: { color: 'red' },
    onConfirm: asked.onConfirm,
  });
}

/** Say in plain words why something was refused. */
export function refused(error: unknown): void {
  notifications.show({ color: 'red', message: inWords(problemOf(error)) });
}
