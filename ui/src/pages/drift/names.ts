import { useTranslation } from 'react-i18next';
import type { DriftBin } from '@/client';
import { decimal } from '@/components/numbers';

/** A quantity in words: `score.fracture`, `input.mean`, `region`. */
export function useQuantityName(): (name: string) => string {
  const { t, i18n } = useTranslation('drift');
  return (name) => {
    const [kind = '', ...rest] = name.split('.');
    const of = rest.join('.');
    if (kind === 'score') {
      const key = `words:label.${of}`;
      return t('quantity.score', { label: i18n.exists(key) ? t(key as never) : of.replaceAll('_', ' ') });
    }
    return i18n.exists(`drift:quantity.${name}`) ? t(`quantity.${name}` as never) : of || name;
  };
}

/** A bin in words: its limits, or the word that was said. */
export function useBinName(): (bin: DriftBin) => string {
  const { t, i18n } = useTranslation('drift');
  const short = (value: number) => decimal(value, i18n.language, value < 0.1 ? 3 : 2);
  return ({ low, high, word }) => {
    if (word !== null) {
      for (const key of [`drift:word.${word}`, `words:region.${word}`]) if (i18n.exists(key)) return t(key as never);
      return word;
    }
    if (low === null) return t('below', { high: short(high ?? 0) });
    return high === null ? t('from', { low: short(low) }) : t('between', { low: short(low), high: short(high) });
  };
}
