import { useTranslation } from 'react-i18next';

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;

/** An amount of data as people say it, in powers of a thousand. */
export function Bytes({ count }: { count: number }) {
  const { i18n } = useTranslation();
  const power = count < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const format = new Intl.NumberFormat(i18n.language, {
    style: 'unit',
    unit: UNITS[power],
    unitDisplay: power === 0 ? 'long' : 'short',
    maximumFractionDigits: power < 2 ? 0 : 1,
  });
  return <>{format.format(count / 1000 ** power)}</>;
}
