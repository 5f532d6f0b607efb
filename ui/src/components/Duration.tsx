import { useTranslation } from 'react-i18next';

const STEPS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** A span of time in the reader's language, in its two largest units; `–` of none. */
export function Duration({ seconds }: { seconds: number | null | undefined }) {
  const { i18n } = useTranslation();
  return <>{seconds == null ? '–' : inWords(seconds, i18n.language)}</>;
}

/** As `Duration`, where a string is wanted. */
export function inWords(seconds: number, language: string): string {
  const say = (count: number, unit: string, digits = 0) =>
    new Intl.NumberFormat(language, {
      style: 'unit',
      unit,
      unitDisplay: 'short',
      maximumFractionDigits: digits,
    }).format(count);
  if (seconds < 1) return say(Math.round(seconds * 1000), 'millisecond');
  if (seconds < 10) return say(seconds, 'second', 1);
  let left = Math.round(seconds);
  const first = STEPS.findIndex(([, size]) => left >= size);
  return STEPS.slice(first, first + 2)
    .map(([unit, size]) => {
      const count = Math.floor(left / size);
      left -= count * size;
      return count > 0 ? say(count, unit) : '';
    })
    .filter(Boolean)
    .join(' ');
}
