import { Table } from '@mantine/core';
import type { ReactNode } from 'react';

interface WideTableProps {
  label: string;
  /** Narrower than this, in pixels, it is scrolled sideways: by keyboard too. */
  minWidth: number;
  maw?: number;
  children: ReactNode;
}

/** A place for a table that may be wider than the page. */
export function WideTable({ label, minWidth, maw, children }: WideTableProps) {
  return (
    <Table.ScrollContainer type="native" minWidth={minWidth} maw={maw} tabIndex={0} role="group" aria-label={label}>
      {children}
    </Table.ScrollContainer>
  );
}
