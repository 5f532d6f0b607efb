import { Center, Stack, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { FindingView, JobView } from '@/client';
import { nameOf } from '@/i18n/labels';
import classes from '@/pages/job/Overlay.module.css';

/** The radiograph with what spoke for the finding marked on it; it leads to the viewer. */
export function Overlay({ job, finding }: { job: JobView; finding: FindingView | undefined }) {
  const { t, i18n } = useTranslation('job');
  const [failed, setFailed] = useState(false);
  const address = finding?.explanation?.overlay;
  return (
    <Stack gap={4} className={classes.frame}>
      <Link to="/jobs/$jobId/view" params={{ jobId: job.id }} className={classes.link}>
        {address && !failed ? (
          <img
            src={address}
            width={job.image.columns}
            height={job.image.rows}
            className={classes.picture}
            alt={t('overlay', { label: nameOf(finding.label, i18n) })}
            onError={() => setFailed(true)}
          />
        ) : (
          <Center className={classes.none}>
            <Text size="sm">{t('open_view')}</Text>
          </Center>
        )}
      </Link>
      <Text size="xs" c="dimmed">
        {t(!address ? 'no_overlay' : finding.regions_of_interest.length > 0 ? 'overlay_hint' : 'overlay_nowhere')}
      </Text>
    </Stack>
  );
}
