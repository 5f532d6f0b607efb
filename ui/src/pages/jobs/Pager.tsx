import { Button, Group } from '@mantine/core';
import { IconChevronLeft, IconChevronRight, IconChevronsLeft } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';

interface PagerProps {
  /** Where this page begins. */
  cursor: string | undefined;
  next: string | null;
  onGo: (cursor: string | undefined) => void;
}

/** To older pages and back. A page opened by its link knows none before it, but the newest. */
export function Pager({ cursor, next, onGo }: PagerProps) {
  const { t } = useTranslation('jobs');
  const [trail, setTrail] = useState<(string | undefined)[]>([]);
  if (cursor === undefined && next === null) return null;
  const back = () => {
    const before = trail.at(-1);
    setTrail(trail.slice(0, -1));
    onGo(before);
  };
  return (
    <Group component="nav" aria-label={t('pages')} justify="center">
      <Button
        variant="default"
        disabled={cursor === undefined}
        leftSection={<IconChevronsLeft size={16} aria-hidden />}
        onClick={() => {
          setTrail([]);
          onGo(undefined);
        }}
      >
        {t('newest')}
      </Button>
      <Button
        variant="default"
        disabled={cursor === undefined}
        leftSection={<IconChevronLeft size={16} aria-hidden />}
        onClick={back}
      >
        {t('newer')}
      </Button>
      <Button
        variant="default"
        disabled={next === null}
        rightSection={<IconChevronRight size={16} aria-hidden />}
        onClick={() => {
          if (next === null) return;
          setTrail([...trail, cursor]);
          onGo(next);
        }}
      >
        {t('older')}
      </Button>
    </Group>
  );
}
