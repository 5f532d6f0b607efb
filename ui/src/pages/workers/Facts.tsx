import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from '@/pages/workers/Facts.module.css';

/** What is known of something: names and values, one pair a line. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className={classes.facts}>{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <Text component="dt" size="sm" c="dimmed">
        {name}
      </Text>
      <Text component="dd" size="sm" m={0} className={classes.value}>
        {children}
      </Text>
    </>
  );
}
