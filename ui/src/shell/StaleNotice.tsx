import { Alert } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { useRouter } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Time } from '@/components/Time';
import { useLiveState } from '@/live/LiveProvider';

/** Above every page while the server cannot be reached: since when what is shown may be out of date. */
export function StaleNotice() {
  const { t } = useTranslation();
  const state = useLiveState();
  const [since, setSince] = useState<string | null>(null);
  const router = useRouter();
  useEffect(() => {
    setSince(state === 'stale' ? new Date().toISOString() : null);
    // A page that could not even be loaded meanwhile is loaded now.
    const failed = router.state.matches.some(({ status }) => status === 'error');
    if (state !== 'stale' && failed) void router.invalidate();
  }, [state, router]);
  return (
    <div role="status">
      {since !== null && (
        <Alert color="red" variant="light" mb="md" icon={<IconPlugConnectedX aria-hidden />} title={t('live.stale')}>
          {t('live.stale_since')} <Time at={since} />. {t('live.stale_retry')}
        </Alert>
      )}
    </div>
  );
}
