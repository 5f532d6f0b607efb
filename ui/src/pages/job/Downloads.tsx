import { Button, Card, Group, Text, Title } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { JobView, ReportKind } from '@/client';

const KINDS = ['pdf', 'sr', 'sc', 'gsps', 'fhir', 'json', 'csv', 'overlay'] as const satisfies readonly ReportKind[];

/** The result in every form; none of them names a patient. */
export function Downloads({ job }: { job: JobView }) {
  const { t } = useTranslation('job');
  // A presentation state says how a DICOM image is shown: there is none of another file.
  const kinds = KINDS.filter((kind) => kind !== 'gsps' || job.image.media_kind === 'dicom');
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4">
        {t('downloads')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('downloads_hint')}
      </Text>
      <Group gap="xs">
        {kinds.map((kind) => (
          <Button
            key={kind}
            component="a"
            href={`/v1/jobs/${job.id}/reports/${kind}`}
            download
            variant="default"
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            {t(`form.${kind}`)}
          </Button>
        ))}
      </Group>
    </Card>
  );
}
