import { Button, Group } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { type Drop, isAtWork } from '@/upload/model';
import { cancel, finish, retry } from '@/upload/run';
import { remove } from '@/upload/store';

/** Cancel, try again, end without what did not get through, take the card away. */
export function DropButtons({ drop, unsent }: { drop: Drop; unsent: number }) {
  const { t } = useTranslation(['submit', 'shell']);
  const stopped = drop.phase === 'stopped';
  return (
    <Group gap="xs" wrap="nowrap">
      {stopped && (unsent > 0 || drop.problem !== null) && (
        <Button size="xs" onClick={() => retry(drop)}>
          {t('again')}
        </Button>
      )}
      {stopped && drop.batch !== null && (
        <Button size="xs" variant="default" onClick={() => void finish(drop)}>
          {t('without')}
        </Button>
      )}
      {(isAtWork(drop) || (stopped && drop.batch !== null)) && (
        <Button size="xs" variant="default" onClick={() => void cancel(drop)}>
          {t('shell:cancel')}
        </Button>
      )}
      {!isAtWork(drop) && (
        <Button
          size="xs"
          variant="subtle"
          color="gray"
          leftSection={<IconX size={14} aria-hidden />}
          onClick={() => remove(drop)}
        >
          {t('hide')}
        </Button>
      )}
    </Group>
  );
}
