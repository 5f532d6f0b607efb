import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function DeliveriesPage() {
  const { t } = useTranslation('deliveries');
  return <Page title={t('title')} />;
}
