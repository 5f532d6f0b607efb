import { Button, Group, NumberInput, Stack, Switch, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { modals } from '@mantine/modals';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { sessionQuery } from '@/auth/session';
import { type SiteRecord, sitesChange, sitesCreate } from '@/client';
import { ProblemNotice } from '@/components/ProblemNotice';
import { invalidateTopics } from '@/live/topics';

const GIGABYTE = 1e9;
const number = (value: string | number): number | null => (value === '' ? null : Number(value));

/** A Site's name and quotas: of a new one, or of this. */
export function SiteForm({ site }: { site?: SiteRecord }) {
  const { t } = useTranslation(['admin', 'shell']);
  const queries = useQueryClient();
  const stored = site?.stored_bytes_limit;
  const form = useForm<{ name: string; active: string | number; stored: string | number; disabled: boolean }>({
    initialValues: {
      name: site?.name ?? '',
      active: site?.active_limit ?? '',
      stored: typeof stored === 'number' ? stored / GIGABYTE : '',
      disabled: site ? site.disabled_at !== null : false,
    },
    validate: { name: (name) => (name.trim() ? null : t('needed')) },
  });
  const save = useMutation({
    mutationFn: async ({ name, active, stored: gigabytes, disabled }: typeof form.values) => {
      const bytes = number(gigabytes);
      const body = {
        name,
        active_limit: number(active),
        stored_bytes_limit: bytes === null ? null : Math.max(1, Math.round(bytes * GIGABYTE)),
      };
      if (site === undefined) await sitesCreate({ body, throwOnError: true });
      else await sitesChange({ path: { site_id: site.id }, body: { ...body, disabled }, throwOnError: true });
    },
    onSuccess: () => modals.closeAll(),
    // The Site in view may be the one: its own card and the page's head say it too.
    onSettled: () => {
      invalidateTopics(queries, ['sites', 'site']);
      void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
    },
  });
  return (
    <form onSubmit={form.onSubmit((values) => save.mutate(values))}>
      <Stack>
        <TextInput label={t('name')} maxLength={200} data-autofocus {...form.getInputProps('name')} />
        <NumberInput
          label={t('sites.active_limit')}
          description={t('sites.active_limit_hint')}
          min={1}
          allowDecimal={false}
          {...form.getInputProps('active')}
        />
        <NumberInput
          label={t('sites.stored_limit')}
          description={t('sites.stored_limit_hint')}
          min={0.001}
          decimalScale={3}
          {...form.getInputProps('stored')}
        />
        {site && (
          <Switch
            label={t('sites.disable')}
            description={t('sites.disable_hint')}
            {...form.getInputProps('disabled', { type: 'checkbox' })}
          />
        )}
        {save.isError && <ProblemNotice error={save.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={save.isPending}>
            {t('shell:save')}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
