import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function BatchesPage() {
  const { t } = useTranslation('batches');
  return <Page title={t('title')} />;
}
