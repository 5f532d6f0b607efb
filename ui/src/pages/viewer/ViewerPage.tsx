import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function ViewerPage() {
  const { t } = useTranslation('viewer');
  return <Page title={t('title')} />;
}
