import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function DriftPage() {
  const { t } = useTranslation('drift');
  return <Page title={t('title')} />;
}
