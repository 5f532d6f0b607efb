import { useTranslation } from 'react-i18next';

/** How soon a job is taken: in words, and with its number where it is not the usual one. */
export function Priority({ value }: { value: number }) {
  const { t, i18n } = useTranslation('words');
  if (value === 0) return <>{t('priority.normal')}</>;
  const number = new Intl.NumberFormat(i18n.language).format(value);
  return <>{`${t(value > 0 ? 'priority.urgent' : 'priority.later')} (${number})`}</>;
}
