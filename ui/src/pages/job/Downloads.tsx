import { Button, Card, Group, Text, Title } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { JobView } from '@/client';
import { reportsOf } from '@/components/reports';

/** The result in every form; none of them names a patient. */
export function Downloads({ job }: { job: JobView }) {
  const { t } = useTranslation(['job', 'reports']);
  return (
    <Card withBorder component="section">
      <Title order={2} size="h4">
        {t('downloads')}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t('downloads_hint')}
      </Text>
      <Group gap="xs">
        {reportsOf(job.image.media_kind === 'dicom').map((kind) => (
          <Button
            key={kind}
            component="a"
            href={`/v1/jobs/${job.id}/reports/${kind}`}
            download
            variant="default"
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            {t(`reports:download.${kind}`)}
          </Button>
        ))}
      </Group>
    </Card>
  );
}
