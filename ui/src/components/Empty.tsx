import { Center, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** Where there is nothing yet: what would be here, and how it comes about. */
export function Empty({ icon, title, children }: { icon?: ReactNode; title: string; children?: ReactNode }) {
  return (
    <Center py="xl">
      <Stack align="center" gap="xs" maw={480} ta="center">
        {icon}
        <Text fw={600}>{title}</Text>
        {children}
      </Stack>
    </Center>
  );
}
