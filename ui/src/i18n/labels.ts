import type { i18n } from 'i18next';

/** A model's label in words; a model may have labels that no catalogue knows. */
export function nameOf(label: string, { exists, t }: Pick<i18n, 'exists' | 't'>): string {
  for (const key of [`words:label.${label}`, `words:region.${label}`]) if (exists(key)) return t(key as never);
  return label.replaceAll('_', ' ');
}
