import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function BatchPage() {
  const { t } = useTranslation('batches');
  return <Page title={t('title')} />;
}
