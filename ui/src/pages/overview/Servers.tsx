import { Badge, Card, Group, Text, Title } from '@mantine/core';
import { IconCheck, IconX } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { OverviewView } from '@/client';

const SERVERS = ['database', 'store', 'broker'] as const;

/** Whether the servers behind the API answer. */
export function Servers({ overview }: { overview: OverviewView }) {
  const { t } = useTranslation('overview');
  return (
    <Card withBorder padding="md" component="section">
      <Title order={2} size="h4" mb="xs">
        {t('servers.title')}
      </Title>
      <Group gap="lg">
        {SERVERS.map((name) => {
          const check = overview.checks[name];
          const up = check?.status === 'up';
          return (
            <Group key={name} gap="xs" data-server={name} data-up={up}>
              <Text size="sm">{t(`servers.${name}`)}</Text>
              <Badge
                variant="light"
                tt="none"
                color={check === undefined ? 'gray' : up ? 'teal' : 'red'}
                leftSection={up ? <IconCheck size={12} aria-hidden /> : <IconX size={12} aria-hidden />}
              >
                {check === undefined ? t('servers.unknown') : up ? t('servers.up') : t('servers.down')}
              </Badge>
              {check?.detail && (
                <Text size="xs" c="dimmed">
                  {check.detail}
                </Text>
              )}
            </Group>
          );
        })}
      </Group>
    </Card>
  );
}
