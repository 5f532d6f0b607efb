import { Select, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { sessionQuery } from '@/auth/session';
import { sessionSwitchSite } from '@/client';

/** The Site in view, and the others that the user has a role at. */
export function SiteSwitch() {
  const { t } = useTranslation();
  const queries = useQueryClient();
  const { data: session } = useQuery(sessionQuery);
  const change = useMutation({
    mutationFn: (site: string) => sessionSwitchSite({ body: { site_id: site }, throwOnError: true }),
    onSuccess: ({ data }) => {
      // Nothing of the Site before may be seen, not even for a moment.
      queries.clear();
      queries.setQueryData(sessionQuery.queryKey, data);
    },
  });
  if (!session) return null;
  if (session.sites.length < 2) return <Text size="sm">{session.site?.name}</Text>;
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
