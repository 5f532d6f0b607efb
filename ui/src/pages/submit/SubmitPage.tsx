import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function SubmitPage() {
  const { t } = useTranslation('submit');
  return <Page title={t('title')} />;
}
