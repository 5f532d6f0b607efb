import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function UsersPage() {
  const { t } = useTranslation('admin');
  return <Page title={t('title')} />;
}
