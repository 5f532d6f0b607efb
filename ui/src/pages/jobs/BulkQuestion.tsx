import { Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { BulkAction } from '@/client';
import { jobsCountOptions } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { type Chosen, fitting } from '@/pages/jobs/bulk';
import { asQuery } from '@/pages/jobs/search';

/** What is about to be done, and to how many jobs. */
export function BulkQuestion({ action, chosen }: { action: BulkAction; chosen: Chosen }) {
  const { t, i18n } = useTranslation('jobs');
  const fit = 'filter' in chosen ? fitting(chosen.filter, action) : null;
  const { data, error } = useQuery({ ...jobsCountOptions({ query: asQuery(fit ?? {}) }), enabled: fit !== null });
  if (error) return <ProblemNotice error={error} />;
  if (fit !== null && !data) return <Skeleton height={24} />;
  const found = 'ids' in chosen ? chosen.ids.length : (data?.count ?? 0);
  const number = new Intl.NumberFormat(i18n.language).format(found);
  return (
    <>
      <Text>{t(data && !data.exact ? `question.${action}_more` : `question.${action}`, { count: found, number })}</Text>
      <Text size="sm" c="dimmed">
        {t(`consequence.${action}`)}
      </Text>
    </>
  );
}
