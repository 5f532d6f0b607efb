import { Progress, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { UsageView } from '@/client';
import { Bytes } from '@/components/Bytes';
import { whole } from '@/components/numbers';

const NEARLY = 0.9;

/** What a Site uses of its quotas, in words and as bars. */
export function QuotaUse({ usage }: { usage: UsageView }) {
  const { t, i18n } = useTranslation('admin');
  const limit = usage.stored_bytes_limit;
  return (
    <Stack gap={4}>
      <Text size="sm">
        {t('sites.jobs_of', {
          used: whole(usage.active_jobs, i18n.language),
          limit: whole(usage.active_limit, i18n.language),
        })}
      </Text>
      <Part value={usage.active_jobs / usage.active_limit} label={t('sites.jobs')} />
      <Text size="sm">
        {t('sites.images', { count: usage.images })} · <Bytes count={usage.stored_bytes} />
        {limit !== null && (
          <>
            {' / '}
            <Bytes count={limit} />
          </>
        )}
      </Text>
      {limit !== null && <Part value={usage.stored_bytes / limit} label={t('sites.stored')} />}
    </Stack>
  );
}

function Part({ value, label }: { value: number; label: string }) {
  return (
    <Progress
      value={Math.min(1, value) * 100}
      color={value >= 1 ? 'red' : value >= NEARLY ? 'orange' : undefined}
      aria-label={label}
    />
  );
}
