import { Button, Group, SegmentedControl, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import classes from '@/pages/submit/FileList.module.css';
import { FileRow } from '@/pages/submit/FileRow';
import type { ItemStates } from '@/pages/submit/useItemStates';
import type { Drop, Row } from '@/upload/model';

const SHOWN_AT_FIRST = 200;
const UNSUCCESSFUL = new Set(['failed', 'dead', 'cancelled', 'expired']);

type Which = 'all' | 'open' | 'problems';

/** The files of a drop; of very many the first, and more when asked. */
export function FileList({ drop, states }: { drop: Drop; states: ItemStates }) {
  const { t } = useTranslation('submit');
  const [which, setWhich] = useState<Which>('all');
  const [shown, setShown] = useState(SHOWN_AT_FIRST);
  const rows = which === 'all' ? drop.rows : drop.rows.filter((row) => belongs(row, states, which));
  return (
    <Stack gap="xs">
      <SegmentedControl
        size="xs"
        className={classes.filter}
        aria-label={t('list.show')}
        value={which}
        onChange={(value) => setWhich(value as Which)}
        data={(['all', 'open', 'problems'] as const).map((value) => ({ value, label: t(`list.${value}`) }))}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
      <ul className={classes.list} tabIndex={0} aria-label={t('list.files')}>
        {rows.slice(0, shown).map((row) => {
          const state = states.of(row);
          return (
            <FileRow
              key={row.source.path}
              name={row.source.path}
              size={row.source.size}
              stage={row.stage}
              share={row.source.size === 0 ? 0 : Math.min(1, row.sent / row.source.size)}
              job={state?.job ?? row.job}
              jobState={state?.job_state ?? null}
              result={state?.result ?? null}
              problem={row.problem}
              code={state?.code ?? null}
              detail={state?.detail ?? state?.title ?? null}
            />
          );
        })}
      </ul>
      {rows.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('list.none')}
        </Text>
      )}
      {rows.length > shown && (
        <Group>
          <Button size="xs" variant="default" onClick={() => setShown(shown + 5 * SHOWN_AT_FIRST)}>
            {t('list.more', { count: rows.length - shown })}
          </Button>
        </Group>
      )}
    </Stack>
  );
}

function belongs(row: Row, states: ItemStates, which: Which): boolean {
  const state = states.of(row)?.job_state ?? null;
  const wrong = row.stage === 'rejected' || row.stage === 'failed' || (state !== null && UNSUCCESSFUL.has(state));
  if (which === 'problems') return wrong;
  return !wrong && row.stage !== 'cancelled' && state !== 'succeeded';
}
