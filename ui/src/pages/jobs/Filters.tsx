import { Button, Collapse, Group, Skeleton, Stack, TextInput } from '@mantine/core';
import { useDebouncedCallback, useDisclosure } from '@mantine/hooks';
import { IconFilter, IconSearch } from '@tabler/icons-react';
import { lazy, Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { States } from '@/pages/jobs/States';
import type { FiltersProps, JobFilters } from '@/pages/jobs/search';

// What few open, and what only links bring, comes when it is wanted.
const More = lazy(() => import('@/pages/jobs/More'));
const Linked = lazy(() => import('@/pages/jobs/Linked'));

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
      {isLinked(filters) && (
        <Suspense>
          <Linked filters={filters} onChange={onChange} />
        </Suspense>
      )}
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

const isLinked = ({ batch, replay_of, replayed, code }: JobFilters) =>
  Boolean(batch || replay_of || replayed !== undefined || code?.length);
