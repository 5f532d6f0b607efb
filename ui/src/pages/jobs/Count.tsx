import { Text } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { jobsCountOptions } from '@/client/@tanstack/react-query.gen';
import { asQuery, type JobFilters } from '@/pages/jobs/search';

/** How many the list has. */
export function Count({ filters }: { filters: JobFilters }) {
  const { t, i18n } = useTranslation('jobs');
  const { data } = useQuery({ ...jobsCountOptions({ query: asQuery(filters) }), placeholderData: keepPreviousData });
  const number = data && new Intl.NumberFormat(i18n.language).format(data.count);
  return (
    <Text size="sm" role="status">
      {data ? t(data.exact ? 'count' : 'count_more', { count: data.count, number }) : ' '}
    </Text>
  );
}
