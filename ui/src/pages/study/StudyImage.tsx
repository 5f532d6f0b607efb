import { Anchor, Card, Center, Group, Image, Text } from '@mantine/core';
import { IconPhotoOff } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { StudyImageView } from '@/client';
import { resultsResultOptions } from '@/client/@tanstack/react-query.gen';
import { percent } from '@/components/Decision';
import { DecisionBadge } from '@/components/DecisionBadge';
import { StateBadge } from '@/components/StateBadge';
import classes from '@/pages/study/StudyImage.module.css';

/** The id at the end of a job's path. */
const idOf = (path: string | null) => path?.split('/').at(-1) ?? null;

/** An image of an exam with the overlay of the job that judged it, or of its newest one. */
export function StudyImage({ member, settled }: { member: StudyImageView; settled: boolean }) {
  const { t, i18n } = useTranslation('studies');
  const job = idOf(member.judged_by ?? (member.job_state === 'succeeded' ? member.job : null));
  const { data } = useQuery({ ...resultsResultOptions({ path: { job_id: job ?? '' } }), enabled: job !== null });
  const finding = data?.findings.find(({ explanation }) => explanation !== null) ?? data?.findings[0];
  const overlay = finding?.explanation?.overlay;
  const shown = job ?? idOf(member.job);
  return (
    <Card withBorder padding="sm" component="article">
      <Card.Section>
        {overlay ? (
          <Image src={overlay} h={240} fit="contain" className={classes.picture} alt={t('overlay')} loading="lazy" />
        ) : (
          <Center h={240} className={classes.picture}>
            <IconPhotoOff size={40} stroke={1.2} aria-hidden />
          </Center>
        )}
      </Card.Section>
      <Group justify="space-between" mt="sm">
        {member.job_state !== null && <StateBadge state={member.job_state} />}
        <Text size="xs" c="dimmed">
          {member.columns} × {member.rows}
        </Text>
      </Group>
      {finding && (
        <Group gap="xs" mt={4}>
          <DecisionBadge size="md" decision={finding.three_way?.decision ?? finding.decision} />
          <Text size="sm">{percent(finding.probability, i18n.language)}</Text>
        </Group>
      )}
      {settled && member.judged_by === null && <Text size="sm">{t('not_counted')}</Text>}
      {shown !== null && (
        <Group gap="md" mt="xs">
          <Anchor size="sm" renderRoot={(props) => <Link {...props} to="/jobs/$jobId" params={{ jobId: shown }} />}>
            {t('to_job')}
          </Anchor>
          {job !== null && (
            <Anchor
              size="sm"
              renderRoot={(props) => <Link {...props} to="/jobs/$jobId/view" params={{ jobId: job }} />}
            >
              {t('to_viewer')}
            </Anchor>
          )}
        </Group>
      )}
    </Card>
  );
}
