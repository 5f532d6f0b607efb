import { Alert, Button, Card, Group, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { StudyDetailView } from '@/client';
import { studiesOneOptions } from '@/client/@tanstack/react-query.gen';
import { Page } from '@/components/Page';
import { ProblemNotice } from '@/components/ProblemNotice';
import { Time } from '@/components/Time';
import { StudyFindings } from '@/pages/studies/StudyFindings';
import { StudyStateBadge } from '@/pages/studies/StudyStateBadge';
import { StudyImage } from '@/pages/study/StudyImage';

const PAGE = 12;
const COLUMNS = { base: 1, xs: 2, md: 3, xl: 4 };
const route = getRouteApi('/inside/studies/$studyId');

/** One exam: what its images say together, and each of them. */
export function StudyPage() {
  const { t } = useTranslation('studies');
  const { studyId } = route.useParams();
  const [limit, setLimit] = useState(PAGE);
  const { data, error, refetch } = useQuery({
    ...studiesOneOptions({ path: { study_id: studyId }, query: { limit } }),
    placeholderData: (before) => before,
  });
  return (
    <Page title={t('one')} actions={data && <StudyStateBadge state={data.state} />}>
      {error && <ProblemNotice error={error} onRetry={() => void refetch()} />}
      {!data && !error && <Skeleton height={400} />}
      {data && (
        <Stack>
          <Together study={data} />
          <Title order={2} size="h4">
            {t('images')}
          </Title>
          <SimpleGrid cols={COLUMNS}>
            {data.members.map((member) => (
              <StudyImage key={member.id} member={member} settled={data.state === 'settled'} />
            ))}
          </SimpleGrid>
          {data.next !== null && limit < 200 && (
            <Group>
              <Button variant="default" onClick={() => setLimit(200)}>
                {t('more_images')}
              </Button>
            </Group>
          )}
        </Stack>
      )}
    </Page>
  );
}

function Together({ study }: { study: StudyDetailView }) {
  const { t } = useTranslation('studies');
  const { findings, rule, model_version: model, failed_images: failed, other_model_images: other } = study;
  return (
    <Card withBorder>
      <Stack gap="sm">
        {findings === null ? (
          <Alert color="blue" title={t('open_title')}>
            {t('open_detail')}
          </Alert>
        ) : (
          <>
            <StudyFindings findings={findings} />
            <Text size="sm">
              {t('judged_by', { judged: study.judged_images ?? 0, count: study.images ?? 0 })}
              {rule !== null && <> {t(`rule.${rule}`)}</>}
            </Text>
          </>
        )}
        {!!failed && <Alert color="red">{t('failed_images', { count: failed })}</Alert>}
        {!!other && <Alert variant="default">{t('other_images', { count: other })}</Alert>}
        <Text size="sm" c="dimmed">
          {t('column.last_image')}: <Time at={study.last_image_at} />
          {study.settled_at !== null && (
            <>
              {' · '}
              {t('settled_at')}: <Time at={study.settled_at} />
            </>
          )}
          {model !== null && ` · ${t('model')}: ${model.name} ${model.version}`}
        </Text>
        <Text size="xs" c="dimmed" ff="monospace" truncate title={study.study_instance_uid}>
          {study.study_instance_uid}
        </Text>
      </Stack>
    </Card>
  );
}
