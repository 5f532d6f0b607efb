import { MultiSelect, NumberInput, SimpleGrid } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { modelsListingOptions } from '@/client/@tanstack/react-query.gen';
import { nameOf } from '@/i18n/labels';
import { DayInput } from '@/pages/jobs/DayInput';
import { DECISIONS, type FiltersProps } from '@/pages/jobs/search';

/** The filters that are opened. */
export default function More({ filters, onChange }: FiltersProps) {
  const { t, i18n } = useTranslation(['jobs', 'words']);
  const { data: models } = useQuery(modelsListingOptions());
  const regions = Object.keys(i18n.getResource(i18n.language, 'words', 'region') as object);
  const known = [...new Set([...regions, ...(filters.region ?? [])])];
  const [priority] = filters.priority ?? [];
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="sm">
      <MultiSelect
        label={t('decision')}
        placeholder={filters.decision?.length ? undefined : t('any')}
        data={DECISIONS.map((one) => ({ value: one, label: t(`words:decision.${one}`) }))}
        value={filters.decision ?? []}
        onChange={(decision) => onChange({ ...filters, decision: DECISIONS.filter((one) => decision.includes(one)) })}
      />
      <MultiSelect
        label={t('region')}
        placeholder={filters.region?.length ? undefined : t('any')}
        data={known.map((one) => ({ value: one, label: nameOf(one, i18n) }))}
        value={filters.region ?? []}
        onChange={(region) => onChange({ ...filters, region })}
      />
      <MultiSelect
        label={t('model')}
        placeholder={filters.model?.length ? undefined : t('any')}
        data={(models?.items ?? []).map((one) => ({ value: one.id, label: `${one.name} ${one.version}` }))}
        value={filters.model ?? []}
        onChange={(model) => onChange({ ...filters, model })}
      />
      <NumberInput
        label={t('priority')}
        placeholder={t('priority_range')}
        min={-10}
        max={10}
        clampBehavior="strict"
        allowDecimal={false}
        value={priority ?? ''}
        onChange={(value) => onChange({ ...filters, priority: typeof value === 'number' ? [value] : [] })}
      />
      <DayInput
        label={t('from')}
        at={filters.created_from}
        onChange={(created_from) => onChange({ ...filters, created_from })}
      />
      <DayInput
        label={t('to')}
        at={filters.created_to}
        last
        onChange={(created_to) => onChange({ ...filters, created_to })}
      />
    </SimpleGrid>
  );
}
