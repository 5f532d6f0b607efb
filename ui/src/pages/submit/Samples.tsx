import { Button, Card, Image, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconPhotoOff, IconPlayerPlay } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { SampleView } from '@/client';
import { samplesListingOptions } from '@/client/@tanstack/react-query.gen';
import { ProblemNotice } from '@/components/ProblemNotice';
import classes from '@/pages/submit/Samples.module.css';
import { problemOf } from '@/problem';
import type { Picked } from '@/upload/model';

const COLUMNS = { base: 1, xs: 2, lg: 4 };

/** Real radiographs for who has none at hand; nothing at all where the installation has none. */
export function Samples({ onTry }: { onTry: (picks: Picked[], title: string) => void }) {
  const { t } = useTranslation('submit');
  const { data, isPending } = useQuery({ ...samplesListingOptions(), staleTime: Number.POSITIVE_INFINITY });
  if (!isPending && !data?.items.length) return null;
  return (
    <Stack component="section" gap="sm" mt="md" aria-labelledby="samples">
      <div>
        <Title order={2} size="h4" id="samples">
          {t('samples.title')}
        </Title>
        <Text size="sm" c="dimmed">
          {t('samples.lead')}
        </Text>
      </div>
      <SimpleGrid cols={COLUMNS}>
        {data?.items.map((sample) => <SampleCard key={sample.name} sample={sample} onTry={onTry} />) ??
          [1, 2, 3, 4].map((number) => <Skeleton key={number} height={330} />)}
      </SimpleGrid>
    </Stack>
  );
}

function SampleCard({ sample, onTry }: { sample: SampleView; onTry: (picks: Picked[], title: string) => void }) {
  const { t, i18n } = useTranslation('submit');
  const known = (part: 'title' | 'description') => {
    const key = `samples.known.${sample.name}.${part}`;
    return i18n.exists(key, { ns: 'submit' }) ? t(key as never) : sample[part];
  };
  const title = known('title');
  const attempt = useMutation({
    mutationFn: () => fetched(sample),
    onSuccess: (picked) => onTry([picked], title),
  });
  return (
    <Card withBorder padding="sm" component="article" className={classes.card}>
      <Card.Section className={classes.picture}>
        {sample.links.thumbnail === null ? (
          <IconPhotoOff size={48} stroke={1.2} aria-hidden />
        ) : (
          <Image src={sample.links.thumbnail} h={160} fit="contain" alt="" loading="lazy" />
        )}
      </Card.Section>
      <Text fw={600} mt="sm">
        {title}
      </Text>
      <Text size="sm" c="dimmed" flex={1}>
        {known('description')}
      </Text>
      {attempt.isError && <ProblemNotice error={attempt.error} />}
      <Button
        mt="sm"
        fullWidth
        variant="light"
        leftSection={<IconPlayerPlay size={16} aria-hidden />}
        aria-label={t('samples.try_named', { title })}
        loading={attempt.isPending}
        onClick={() => attempt.mutate()}
      >
        {t('samples.try')}
      </Button>
    </Card>
  );
}

/** The sample as if it had been chosen from a disk. Throws Problem. */
async function fetched(sample: SampleView): Promise<Picked> {
  const answer = await fetch(sample.links.file).catch((error: unknown) => {
    throw problemOf(error);
  });
  if (!answer.ok) throw problemOf(await answer.json().catch(() => null), answer);
  const file = await answer.blob();
  const source = { path: sample.file_name, size: file.size, open: () => Promise.resolve(file) };
  return { sources: [source], leftOut: 0, archive: null };
}
