import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';

export function StudyPage() {
  const { t } = useTranslation('studies');
  return <Page title={t('title')} />;
}
