import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function ModelPage() {
  const { t } = useTranslation('models');
  return <Page title={t('title')} />;
}
