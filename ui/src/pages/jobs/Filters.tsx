import { Button, Collapse, Group, MultiSelect, NumberInput, Pill, SimpleGrid, Stack, TextInput } from '@mantine/core';
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks';
import { IconFilter, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { modelsListingOptions } from '@/client/@tanstack/react-query.gen';
import { nameOf } from '@/i18n/labels';
import { DayInput } from '@/pages/jobs/DayInput';
import { DECISIONS, type JobFilters, STATES } from '@/pages/jobs/search';

interface FiltersProps {
  filters: JobFilters;
  onChange: (filters: JobFilters) => void;
}

/** What the list is filtered by. The search is always there; the rest is opened. */
export function Filters({ filters, onChange }: FiltersProps) {
  const { t } = useTranslation('jobs');
  const { text, state: _state, ...rest } = filters;
  const [opened, { toggle }] = useDisclosure(Object.keys(rest).length > 0);
  return (
    <Stack gap="xs">
      <Group align="flex-start" gap="sm">
        <SearchInput text={text ?? ''} onChange={(next) => onChange({ ...filters, text: next })} />
        <States filters={filters} onChange={onChange} />
        <Button
          mt={24}
          variant={opened ? 'light' : 'default'}
          leftSection={<IconFilter size={16} aria-hidden />}
          onClick={toggle}
          aria-expanded={opened}
        >
          {t('filters')}
        </Button>
      </Group>
      <Collapse expanded={opened}>
        <More filters={filters} onChange={onChange} />
      </Collapse>
      <Links filters={filters} onChange={onChange} />
    </Stack>
  );
}

function SearchInput({ text, onChange }: { text: string; onChange: (text: string) => void }) {
  const { t } = useTranslation('jobs');
  const [typed, setTyped] = useState(text);
  useEffect(() => setTyped(text), [text]);
  const settle = useDebouncedCallback(onChange, 350);
  return (
    <TextInput
      type="search"
      flex="1 1 16rem"
      label={t('text')}
      description={t('text_hint')}
      inputWrapperOrder={['label', 'input', 'description']}
      leftSection={<IconSearch size={16} aria-hidden />}
      maxLength={100}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        settle(event.currentTarget.value.trim());
      }}
    />
  );
}

function States({ filters, onChange }: FiltersProps) {
  const { t } = useTranslation(['jobs', 'words']);
  return (
    <MultiSelect
      flex="1 1 14rem"
      label={t('state')}
      placeholder={filters.state?.length ? undefined : t('any')}
      data={STATES.map((one) => ({ value: one, label: t(`words:state.${one}`) }))}
      value={filters.state ?? []}
      onChange={(state) => onChange({ ...filters, state: STATES.filter((one) => state.includes(one)) })}
      clearable
      clearButtonProps={{ 'aria-label': t('clear_one', { name: t('state') }) }}
    />
  );
}

function More({ filters, onChange }: FiltersProps) {
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

/** Filters that only links set; each can be taken away. */
function Links({ filters, onChange }: FiltersProps) {
  const { t } = useTranslation('jobs');
  const pills: [string, JobFilters][] = [];
  if (filters.batch) pills.push([t('of_batch', { id: filters.batch.slice(0, 13) }), { ...filters, batch: undefined }]);
  if (filters.replay_of) {
    pills.push([t('replay_of', { id: filters.replay_of.slice(0, 13) }), { ...filters, replay_of: undefined }]);
  }
  if (filters.replayed !== undefined) {
    pills.push([t(filters.replayed ? 'replayed' : 'not_replayed'), { ...filters, replayed: undefined }]);
  }
  for (const code of filters.code ?? []) {
    pills.push([t('with_code', { code }), { ...filters, code: filters.code?.filter((one) => one !== code) }]);
  }
  if (pills.length === 0) return null;
  return (
    <Group gap="xs">
      {pills.map(([name, without]) => (
        <Pill
          key={name}
          size="md"
          withRemoveButton
          removeButtonProps={{ 'aria-label': t('clear_one', { name }), 'aria-hidden': false, tabIndex: 0 }}
          onRemove={() => onChange(without)}
        >
          {name}
        </Pill>
      ))}
    </Group>
  );
}
