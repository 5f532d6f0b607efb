import { Button, Card, Group, NumberInput, Select, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { notifications } from '@mantine/notifications';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { useAllowed } from '@/auth/allowed';
import { type BurnedInPolicy, type SiteView, siteChange } from '@/client';
import { siteLookOptions, siteLookQueryKey, siteUsageOptions } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import { QuotaUse } from '@/pages/sites/QuotaUse';

const POLICIES: BurnedInPolicy[] = ['refuse', 'quarantine', 'accept'];

/** The Site in view: what it uses, and how its data is handled. */
export function OwnSite() {
  const { t } = useTranslation(['admin', 'shell']);
  const { data: site, error } = useQuery(siteLookOptions());
  const { data: usage } = useQuery(siteUsageOptions());
  const administers = useAllowed()('admin');
  if (error) return <ProblemNotice error={error} />;
  if (!site || !usage) return <Skeleton height={280} aria-label={t('shell:loading')} />;
  return (
    <Card withBorder component="section" aria-labelledby="own-site">
      <Title order={2} size="h4" id="own-site" mb="sm">
        {site.name}
      </Title>
      <Stack maw={520}>
        <QuotaUse usage={usage} />
        {administers && <PolicyForm site={site} />}
      </Stack>
    </Card>
  );
}

function PolicyForm({ site }: { site: SiteView }) {
  const { t } = useTranslation(['admin', 'shell']);
  const queries = useQueryClient();
  const form = useForm<{ burned_in: BurnedInPolicy; days: string | number }>({
    initialValues: { burned_in: site.burned_in, days: site.retention_days ?? '' },
  });
  const save = useMutation({
    mutationFn: ({ burned_in, days }: typeof form.values) =>
      siteChange({ body: { burned_in, retention_days: days === '' ? null : Number(days) }, throwOnError: true }),
    onSuccess: () => notifications.show({ color: 'teal', message: t('saved') }),
    onSettled: () => queries.invalidateQueries({ queryKey: siteLookQueryKey() }),
  });
  return (
    <form onSubmit={form.onSubmit((values) => save.mutate(values))}>
      <Stack>
        <Select
          label={t('sites.burned_in')}
          description={t(`sites.burned_in_hint.${form.values.burned_in}`)}
          allowDeselect={false}
          data={POLICIES.map((policy) => ({ value: policy, label: t(`sites.burned_in_is.${policy}`) }))}
          {...form.getInputProps('burned_in')}
        />
        <NumberInput
          label={t('sites.retention')}
          description={t('sites.retention_hint')}
          min={1}
          allowDecimal={false}
          {...form.getInputProps('days')}
        />
        {form.values.days !== '' && (
          <Text size="sm">{t('sites.retention_warning', { count: Number(form.values.days) })}</Text>
        )}
        {save.isError && <ProblemNotice error={save.error} />}
        <Group>
          <Button type="submit" variant="default" loading={save.isPending}>
            {t('shell:save')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
