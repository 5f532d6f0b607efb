import { Select } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { sessionQuery } from '@/auth/session';
import type { SessionView } from '@/client';
import { sessionSwitchSite } from '@/client';

/** Another of the Sites that the user has a role at. */
export function SitePicker({ session }: { session: SessionView }) {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (site: string) => sessionSwitchSite({ body: { site_id: site }, throwOnError: true }),
    onSuccess: ({ data }) => {
      // Nothing of the Site before may be seen, not even for a moment.
      queries.clear();
      queries.setQueryData(sessionQuery.queryKey, data);
    },
  });
  return (
    <Select
      size="xs"
      w={160}
      aria-label={t('site')}
      data={session.sites.map((site) => ({ value: site.id, label: site.name }))}
      value={session.site?.id ?? null}
      onChange={(site) => site && change.mutate(site)}
      allowDeselect={false}
    />
  );
}
