import { useTranslation } from 'react-i18next';
import type { OtherImageView } from '@/client';

/** What another image is called: where it is from, what it shows, and how long before or after. */
export function useImageName(): (other: OtherImageView) => string {
  const { t } = useTranslation('viewer');
  return (other) => {
    const { same_study, days_apart, body_part, laterality, view_position } = other;
    const what = [body_part, laterality, view_position].filter(Boolean).join(' ');
    const when = same_study
      ? t('other_same_study')
      : days_apart === null
        ? t('other_exam')
        : days_apart === 0
          ? t('other_same_day')
          : t(days_apart < 0 ? 'other_before' : 'other_after', { count: Math.abs(days_apart) });
    const size = `${other.columns} × ${other.rows}`;
    return [when, what || size].join(' · ');
  };
}
