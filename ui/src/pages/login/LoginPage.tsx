import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function LoginPage() {
  const { t } = useTranslation('login');
  return <Page title={t('title')} />;
}
