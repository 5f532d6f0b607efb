import { Button, Collapse, Group, Pill, Skeleton, Stack, TextInput } from '@mantine/core';
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks';
import { IconFilter, IconSearch } from '@tabler/icons-react';
import { lazy, Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { States } from '@/pages/jobs/States';
import type { JobFilters } from '@/pages/jobs/search';

// Its lists and number fields are a fifth of the page's script.
const More = lazy(() => import('@/pages/jobs/More'));

export interface FiltersProps {
  filters: JobFilters;
  onChange: (filters: JobFilters) => void;
}

/** What the list is filtered by. The search is always there; the rest is opened. */
export function Filters({ filters, onChange }: FiltersProps) {
  const { t } = useTranslation('jobs');
  const { text, state: _state, ...rest } = filters;
  const [opened, { toggle }] = useDisclosure(Object.keys(rest).length > 0);
  const [seen, setSeen] = useState(opened);
  return (
    <Stack gap="xs">
      <Group align="flex-start" gap="sm">
        <SearchInput text={text ?? ''} onChange={(next) => onChange({ ...filters, text: next })} />
        <Button
          mt={24}
          variant={opened ? 'light' : 'default'}
          leftSection={<IconFilter size={16} aria-hidden />}
          onClick={() => {
            setSeen(true);
            toggle();
          }}
          aria-expanded={opened}
        >
          {t('filters')}
        </Button>
      </Group>
      <States filters={filters} onChange={onChange} />
      <Collapse expanded={opened}>
        {seen && (
          <Suspense fallback={<Skeleton height={150} />}>
            <More filters={filters} onChange={onChange} />
          </Suspense>
        )}
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
