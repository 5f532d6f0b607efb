import { Alert } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck, IconHourglass } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { DriftView } from '@/client';
import { useQuantityName } from '@/pages/drift/names';

const LOOKS = {
  steady: { color: 'teal', icon: <IconCircleCheck aria-hidden /> },
  shifted: { color: 'red', icon: <IconAlertTriangle aria-hidden /> },
  few: { color: 'gray', icon: <IconHourglass aria-hidden /> },
} as const;

/** The answer in plain words. */
export function Verdict({ drift }: { drift: DriftView }) {
  const { t, i18n } = useTranslation('drift');
  const nameOf = useQuantityName();
  const state = drift.state ?? 'few';
  const shifted = drift.quantities.filter((one) => one.state === 'shifted').map(({ name }) => nameOf(name));
  const names = new Intl.ListFormat(i18n.language).format(shifted);
  return (
    <Alert {...LOOKS[state]} title={t(`verdict.${state}`)} role="status">
      {t(`verdict_about.${state}`, { names, recent: drift.recent_days, fewest: drift.fewest })}
    </Alert>
  );
}
