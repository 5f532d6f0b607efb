import { Group, Pill } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { FiltersProps, JobFilters } from '@/pages/jobs/search';

/** Filters that only links set; each can be taken away. */
export default function Linked({ filters, onChange }: FiltersProps) {
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
