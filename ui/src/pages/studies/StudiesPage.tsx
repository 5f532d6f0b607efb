import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function StudiesPage() {
  const { t } = useTranslation('studies');
  return <Page title={t('title')} />;
}
