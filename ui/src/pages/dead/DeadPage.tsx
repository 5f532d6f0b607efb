import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function DeadPage() {
  const { t } = useTranslation('dead');
  return <Page title={t('title')} />;
}
