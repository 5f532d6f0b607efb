import { useTranslation } from 'react-i18next';

/** A figure of the catalogue in words; one that it does not know by its own name. */
export function useFigureName(): (name: string) => string {
  const { t, i18n } = useTranslation('models');
  return (name) => {
    const key = `models:figures.${name}`;
    return i18n.exists(key) ? t(`figures.${name}` as never) : name.replaceAll('_', ' ');
  };
}

/** A label or region in words; a model may have some that no catalogue knows. */
export function useLabel(): (label: string) => string {
  const { t, i18n } = useTranslation('models');
  return (label) => {
    for (const key of [`words:label.${label}`, `words:region.${label}`, `models:parts.${label}`]) {
      if (i18n.exists(key)) return t(key as never);
    }
    return label.replaceAll('_', ' ');
  };
}
