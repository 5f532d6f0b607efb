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

/** To older pages and back. A page opened by its link knows none before it, but the newest.
 *
 * Which page is in view only the address says: the browser's own buttons change it too. */
export function Pager({ cursor, next, onGo }: PagerProps) {
  const { t } = useTranslation('jobs');
  const [visited, setVisited] = useState<(string | undefined)[]>([]);
  if (cursor === undefined && next === null) return null;
  const at = visited.indexOf(cursor);
  return (
    <Group component="nav" aria-label={t('pages')} justify="center">
      <Button
        variant="default"
        disabled={cursor === undefined}
        leftSection={<IconChevronsLeft size={16} aria-hidden />}
        onClick={() => onGo(undefined)}
      >
        {t('newest')}
      </Button>
      <Button
        variant="default"
        disabled={cursor === undefined}
        leftSection={<IconChevronLeft size={16} aria-hidden />}
        onClick={() => onGo(at > 0 ? visited[at - 1] : undefined)}
      >
        {t('newer')}
      </Button>
      <Button
        variant="default"
        disabled={next === null}
        rightSection={<IconChevronRight size={16} aria-hidden />}
        onClick={() => {
          if (next === null) return;
          setVisited([...(at < 0 ? [cursor] : visited.slice(0, at + 1)), next]);
          onGo(next);
        }}
      >
        {t('older')}
      </Button>
    </Group>
  );
}
