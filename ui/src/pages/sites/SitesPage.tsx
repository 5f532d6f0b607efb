import { Badge, Button, Skeleton, Stack, Table, Text } from '@mantine/core';
import { modals } from '@mantine/modals';
import { IconBuildingHospital } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { sessionQuery } from '@/auth/session';
import type { SiteRecord } from '@/client';
import { sitesListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { WideTable } from '@/components/WideTable';
import { OwnSite } from '@/pages/sites/OwnSite';
import { QuotaUse } from '@/pages/sites/QuotaUse';
import { SiteForm } from '@/pages/sites/SiteForm';

/** The Site in view and its policy; for operators all Sites and their quotas. */
export function SitesPage() {
  const { t } = useTranslation('admin');
  const operates = useAllowed()('operate');
  const { data: session } = useQuery(sessionQuery);
  const make = () => modals.open({ title: t('sites.new'), children: <SiteForm /> });
  return (
    <Page title={t('sites.title')} actions={operates && <Button onClick={make}>{t('sites.new')}</Button>}>
      <Stack>
        {session?.site && <OwnSite key={session.site.id} />}
        {operates && <AllSites />}
      </Stack>
    </Page>
  );
}

function AllSites() {
  const { t } = useTranslation(['admin', 'shell']);
  const { data, error, refetch } = useQuery(sitesListingOptions());
  if (error) return <ProblemNotice error={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton height={240} aria-label={t('shell:loading')} />;
  if (data.items.length === 0)
    return <Empty icon={<IconBuildingHospital size={40} aria-hidden />} title={t('sites.empty')} />;
  return (
    <WideTable label={t('sites.all')} minWidth={760} stacked>
      <Table verticalSpacing="sm" captionSide="top">
        <Table.Caption ta="left">{t('sites.all')}</Table.Caption>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>{t('name')}</Table.Th>
            <Table.Th>{t('sites.people')}</Table.Th>
            <Table.Th w="45%">{t('sites.usage')}</Table.Th>
            <Table.Th>{t('actions')}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {data.items.map((site) => (
            <SiteRow key={site.id} site={site} />
          ))}
        </Table.Tbody>
      </Table>
    </WideTable>
  );
}

function SiteRow({ site }: { site: SiteRecord }) {
  const { t } = useTranslation('admin');
  const change = () =>
    modals.open({ title: t('of', { action: t('sites.change'), name: site.name }), children: <SiteForm site={site} /> });
  return (
    <Table.Tr>
      <Table.Td data-label={t('name')}>
        <Text size="sm" fw={600}>
          {site.name}
        </Text>
        {site.disabled_at !== null && (
          <Badge color="red" variant="light" tt="none">
            {t('sites.disabled')}
          </Badge>
        )}
      </Table.Td>
      <Table.Td data-label={t('sites.people')}>
        <Text size="sm">{t('sites.members', { count: site.members })}</Text>
        <Text size="sm">{t('sites.keys', { count: site.keys })}</Text>
      </Table.Td>
      <Table.Td data-label={t('sites.usage')}>
        <QuotaUse usage={site.usage} />
      </Table.Td>
      <Table.Td data-label={t('actions')}>
        <Button
          size="xs"
          variant="default"
          onClick={change}
          aria-label={t('of', { action: t('sites.change'), name: site.name })}
        >
          {t('sites.change')}
        </Button>
      </Table.Td>
    </Table.Tr>
  );
}
