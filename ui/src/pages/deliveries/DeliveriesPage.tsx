import { Button, Tabs } from '@mantine/core';
import { modals } from '@mantine/modals';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { Page } from '@/components/Page';
import { RuleForm } from '@/pages/deliveries/RuleForm';
import { Rules } from '@/pages/deliveries/Rules';
import { Sent } from '@/pages/deliveries/Sent';

interface Search {
  tab?: string;
}

/** Where results go by themselves, and what became of each. */
export function DeliveriesPage() {
  const { t } = useTranslation('deliveries');
  const navigate = useNavigate();
  const { tab } = useSearch({ strict: false }) as Search;
  const make = () => modals.open({ title: t('new'), children: <RuleForm /> });
  const show = (value: string | null) =>
    void navigate({ to: '/admin/deliveries', search: value === 'sent' ? { tab: 'sent' } : {} });
  return (
    <Page title={t('title')} actions={<Button onClick={make}>{t('new')}</Button>}>
      <Tabs value={tab === 'sent' ? 'sent' : 'rules'} onChange={show} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="rules">{t('rules')}</Tabs.Tab>
          <Tabs.Tab value="sent">{t('sent')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="rules">
          <Rules />
        </Tabs.Panel>
        <Tabs.Panel value="sent">
          <Sent />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
