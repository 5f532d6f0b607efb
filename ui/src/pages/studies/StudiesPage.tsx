import { Anchor, Button, Group, SegmentedControl, Skeleton, Table, Text } from '@mantine/core';
import { IconFiles } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { StudyState, StudyView } from '@/client';
import { studiesListingOptions } from '@/client/@tanstack/react-query.gen';
import { Empty } from '@/components/Empty';
import { whole } from '@/components/numbers';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { StudyFindings } from '@/pages/studies/StudyFindings';
import { StudyStateBadge } from '@/pages/studies/StudyStateBadge';

const PAGE = 25;
const STATES = ['all', 'open', 'settled'] as const;
const route = getRouteApi('/inside/studies');

/** The Site's exams, by when their first image came, newest first, and what their images say together. */
export function StudiesPage() {
  const { t } = useTranslation(['studies', 'shell']);
  const raw = route.useSearch();
  const navigate = route.useNavigate();
  const state = STATES.find((one) => one !== 'all' && one === raw.state) as StudyState | undefined;
  const cursor = typeof raw.cursor === 'string' ? raw.cursor : undefined;
  const query = { limit: PAGE, state, cursor };
  const { data, error, refetch } = useQuery({ ...studiesListingOptions({ query }), placeholderData: keepPreviousData });
  return (
    <Page
      title={t('title')}
      actions={
        <SegmentedControl
          aria-label={t('filter')}
          value={state ?? 'all'}
          onChange={(value) => void navigate({ search: value === 'all' ? {} : { state: value } })}
          data={STATES.map((value) => ({ value, label: t(`filters.${value}`) }))}
        />
      }
    >
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={320} />}
      {data?.items.length === 0 && (
        <Empty icon={<IconFiles size={40} aria-hidden />} title={t('empty')}>
          {t('empty_hint')}
        </Empty>
      )}
      {data && data.items.length > 0 && <StudyTable studies={data.items} />}
      <Group>
        {cursor !== undefined && (
          <Button variant="default" onClick={() => void navigate({ search: { state } })}>
            {t('newest')}
          </Button>
        )}
        {data && data.next !== null && (
          <Button variant="default" onClick={() => void navigate({ search: { state, cursor: data.next } })}>
            {t('older')}
          </Button>
        )}
      </Group>
    </Page>
  );
}

function StudyTable({ studies }: { studies: StudyView[] }) {
  const { t, i18n } = useTranslation('studies');
  return (
    <Table highlightOnHover verticalSpacing="sm">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>{t('column.first_image')}</Table.Th>
          <Table.Th visibleFrom="md">{t('column.last_image')}</Table.Th>
          <Table.Th visibleFrom="sm">{t('column.state')}</Table.Th>
          <Table.Th>{t('column.result')}</Table.Th>
          <Table.Th visibleFrom="sm">{t('column.images')}</Table.Th>
          <Table.Th visibleFrom="xl">{t('column.uid')}</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {studies.map((study) => (
          <Table.Tr key={study.id}>
            <Table.Td>
              <Anchor
                size="sm"
                renderRoot={(props) => <Link {...props} to="/studies/$studyId" params={{ studyId: study.id }} />}
              >
                <Time at={study.created_at} />
              </Anchor>
            </Table.Td>
            <Table.Td visibleFrom="md">
              <Time at={study.last_image_at} />
            </Table.Td>
            <Table.Td visibleFrom="sm">
              <StudyStateBadge state={study.state} />
            </Table.Td>
            <Table.Td>
              {study.findings === null ? (
                <Text size="sm" c="dimmed">
                  {t('not_yet')}
                </Text>
              ) : (
                <StudyFindings findings={study.findings} />
              )}
            </Table.Td>
            <Table.Td visibleFrom="sm">{whole(study.stored_images, i18n.language)}</Table.Td>
            <Table.Td visibleFrom="xl">
              <Text size="xs" ff="monospace" truncate maw={260} title={study.study_instance_uid}>
                {study.study_instance_uid}
              </Text>
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
