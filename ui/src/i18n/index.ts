import dayjs from 'dayjs';
import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import type { Catalogue } from './en';

export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

const KEPT_AS = 'lucency.language';

// One catalogue a language, one file a page in it; a language is loaded when it is chosen.
const CATALOGUES: Record<Language, () => Promise<{ default: Catalogue }>> = {
  en: () => import('./en'),
  de: () => import('./de'),
};

function preferred(): Language {
  const wanted = [localStorage.getItem(KEPT_AS) ?? '', ...navigator.languages].map((tag) => tag.slice(0, 2));
  return (wanted.find((tag) => tag in CATALOGUES) as Language | undefined) ?? 'en';
}

/** Load the user's language; call once before the first render. */
export async function startLanguage(): Promise<void> {
  const language = preferred();
  const { default: catalogue } = await CATALOGUES[language]();
  await i18next.use(initReactI18next).init({
    lng: language,
    resources: { [language]: catalogue },
    ns: Object.keys(catalogue),
    defaultNS: 'shell',
    fallbackLng: false,
    interpolation: { escapeValue: false },
    returnNull: false,
  });
  settle(language);
}

/** Change it, now and for the next visits. */
export async function chooseLanguage(language: Language): Promise<void> {
  const { default: catalogue } = await CATALOGUES[language]();
  for (const [namespace, words] of Object.entries(catalogue)) i18next.addResourceBundle(language, namespace, words);
  localStorage.setItem(KEPT_AS, language);
  await i18next.changeLanguage(language);
  settle(language);
}

function settle(language: Language): void {
  document.documentElement.lang = language;
  dayjs.locale(language);
}
