import { useTranslation } from 'react-i18next';

/** A label of a model in the reader's language; as the model has it where the catalogue knows no other word. */
export function useLabelName(): (label: string) => string {
  const { i18n } = useTranslation('words');
  return (label) => {
    const found = [`words:label.${label}`, `words:region.${label}`].find((key) => i18n.exists(key));
    return found === undefined ? label : i18n.t(found as never);
  };
}
