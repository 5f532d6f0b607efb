import { Alert, Button, Group, Text } from '@mantine/core';
import { IconPlugConnectedX } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { batchesCompleteMutation, batchesLookOptions } from '@/client/@tanstack/react-query.gen';
import { problemOf } from '@/problem';
import { forgetBatch, leftOpen } from '@/upload/journal';
import type { Drop } from '@/upload/model';

/** Batches that an earlier visit began and did not end: the same drop goes on with them. */
export function Interrupted({ who, drops }: { who: string; drops: readonly Drop[] }) {
  const [open, setOpen] = useState(() => leftOpen(who));
  const here = new Set(drops.map((drop) => drop.batch));
  const gone = (batch: string) => {
    forgetBatch(batch);
    setOpen(open.filter((one) => one !== batch));
  };
  return open
    .filter((batch) => !here.has(batch))
    .map((batch) => <Begun key={batch} batch={batch} onGone={() => gone(batch)} />);
}

function Begun({ batch, onGone }: { batch: string; onGone: () => void }) {
  const { t } = useTranslation('submit');
  const { data, error } = useQuery({ ...batchesLookOptions({ path: { batch_id: batch } }), retry: false });
  const end = useMutation({ ...batchesCompleteMutation(), onSuccess: onGone });
  if (error && problemOf(error).status === 404) forgetBatch(batch);
  if (!data || data.state === 'closed') return null;
  return (
    <Alert variant="default" icon={<IconPlugConnectedX aria-hidden />} title={t('interrupted.title')}>
      <Text size="sm">
        {t('interrupted.detail', { received: data.files - (data.counts.awaiting ?? 0), count: data.files })}
      </Text>
      <Group mt="xs">
        <Button
          size="xs"
          variant="default"
          renderRoot={(props) => <Link {...props} to="/batches/$batchId" params={{ batchId: batch }} />}
        >
          {t('to_batch')}
        </Button>
        <Button
          size="xs"
          variant="default"
          loading={end.isPending}
          onClick={() => end.mutate({ path: { batch_id: batch } })}
        >
          {t('interrupted.end')}
        </Button>
      </Group>
    </Alert>
  );
}
