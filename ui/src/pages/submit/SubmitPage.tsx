import { Alert, Stack } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { sessionQuery } from '@/auth/session';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { DropCard } from '@/pages/submit/DropCard';
import { DropZone } from '@/pages/submit/DropZone';
import { Interrupted } from '@/pages/submit/Interrupted';
import { AS_USUAL, Options } from '@/pages/submit/Options';
import { Samples } from '@/pages/submit/Samples';
import { canHash } from '@/upload/hash';
import type { Picked } from '@/upload/model';
import { start } from '@/upload/run';
import { useDrops } from '@/upload/store';

/** Give radiographs in, and see what becomes of them. */
export function SubmitPage() {
  const { t } = useTranslation('submit');
  const allowed = useAllowed();
  const { data: session } = useQuery({ ...sessionQuery, enabled: false });
  const who = `${session?.user.id} ${session?.site?.id}`;
  const drops = useDrops(who);
  const [options, setOptions] = useState(AS_USUAL);
  const [unread, setUnread] = useState<unknown>(null);
  const take = useCallback(
    (picks: Picked[], title?: string) => {
      setUnread(null);
      for (const picked of picks) start(picked, options, who, title);
    },
    [options, who],
  );
  if (!allowed('submit')) {
    return (
      <Page title={t('title')}>
        <Empty icon={<IconLock size={40} aria-hidden />} title={t('not_allowed')} />
      </Page>
    );
  }
  return (
    <Page title={t('title')}>
      {!canHash() && (
        <Alert variant="default" title={t('insecure')}>
          {t('insecure_detail')}
        </Alert>
      )}
      <DropZone onPicked={take} onUnread={setUnread} />
      {unread !== null && <ProblemNotice error={unread} />}
      <Options options={options} onChange={setOptions} />
      <Interrupted who={who} drops={drops} />
      {drops.length > 0 && (
        <Stack component="section" gap="sm" aria-label={t('drops')}>
          {drops.map((drop) => (
            <DropCard key={drop.id} drop={drop} />
          ))}
        </Stack>
      )}
      <Samples onTry={take} />
    </Page>
  );
}
