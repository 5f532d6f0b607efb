import { Table } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from '@/components/WideTable.module.css';

interface WideTableProps {
  label: string;
  /** Narrower than this, in pixels, it is scrolled sideways: by keyboard too. */
  minWidth: number;
  maw?: number;
  /** On a phone each row becomes a card; its cells tell their names by `data-label`. */
  stacked?: boolean;
  children: ReactNode;
}

/** A place for a table that may be wider than the page. */
export function WideTable({ label, minWidth, maw, stacked = false, children }: WideTableProps) {
  return (
    <Table.ScrollContainer
      type="native"
      minWidth={minWidth}
      maw={maw}
      className={stacked ? classes.stacked : undefined}
      tabIndex={0}
      role="group"
      aria-label={label}
    >
      {children}
    </Table.ScrollContainer>
  );
}
