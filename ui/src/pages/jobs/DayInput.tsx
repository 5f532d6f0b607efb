import { TextInput } from '@mantine/core';

interface DayInputProps {
  label: string;
  /** A moment; shown is its day in the reader's zone. */
  at: string | undefined;
  /** The day is the last that counts: the moment is the next one's beginning. */
  last?: boolean;
  onChange: (at: string | undefined) => void;
}

/** A day of the reader's calendar as a moment, by the browser's own calendar. */
export function DayInput({ label, at, last = false, onChange }: DayInputProps) {
  return (
    <TextInput
      type="date"
      label={label}
      value={at === undefined ? '' : dayOf(at, last)}
      onChange={(event) => onChange(momentOf(event.currentTarget.value, last))}
    />
  );
}

function dayOf(at: string, last: boolean): string {
  const moment = new Date(Date.parse(at) - (last ? 1 : 0));
  const two = (number: number) => String(number).padStart(2, '0');
  return `${String(moment.getFullYear()).padStart(4, '0')}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

function momentOf(day: string, last: boolean): string | undefined {
  const [year, month, date] = day.split('-').map(Number);
  if (!year || year < 1900 || !month || !date) return undefined;
  return new Date(year, month - 1, date + (last ? 1 : 0)).toISOString();
}
