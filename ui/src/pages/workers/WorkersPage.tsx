import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function WorkersPage() {
  const { t } = useTranslation('workers');
  return <Page title={t('title')} />;
}
