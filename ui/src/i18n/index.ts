import i18next, { type BackendModule } from 'i18next';
import { initReactI18next } from 'react-i18next';

export const LANGUAGES = { en: 'English', de: 'Deutsch' } as const;
export type Language = keyof typeof LANGUAGES;

const KEPT_AS = 'lucency.language';

// One catalogue a language, one file a page in it: a page fetches its own words, and those that all share come first.
const FILES: Record<string, () => Promise<Record<string, unknown>>> = {
  ...import.meta.glob<Record<string, unknown>>('./{en,de}/*.json', { import: 'default' }),
  './en/menu.json': async () => (await import('virtual:menu/en')).default,
  './de/menu.json': async () => (await import('virtual:menu/de')).default,
};
const SHARED = ['shell', 'menu', 'words', 'problems'];

const files: BackendModule = {
  type: 'backend',
  init: () => undefined,
  read: (language, namespace, done) => {
    const load = FILES[`./${language}/${namespace}.json`];
    if (load === undefined) return done(new Error(`There are no words of ${namespace} in ${language}`), false);
    load().then(
      (words) => done(null, words),
      (error: unknown) => done(error as Error, true),
    );
  },
};

function preferred(): Language {
  const wanted = [localStorage.getItem(KEPT_AS) ?? '', ...navigator.languages].map((tag) => tag.slice(0, 2));
  return (wanted.find((tag) => tag in LANGUAGES) as Language | undefined) ?? 'en';
}

/** The language as the reader's own country writes times and dates in it: who reads en-GB wants no a.m. and p.m. */
export const regional = (language: string): string =>
  navigator.languages.find((tag) => tag.slice(0, 2) === language) ?? language;

/** Load the user's language; call once before the first render. A page's own words suspend it until they are there. */
export async function startLanguage(): Promise<void> {
  const language = preferred();
  await i18next
    .use(files)
    .use(initReactI18next)
    .init({
      lng: language,
      ns: SHARED,
      defaultNS: 'shell',
      fallbackLng: false,
      interpolation: { escapeValue: false },
      returnNull: false,
    });
  settle(language);
}

/** Change it, now and for the next visits; every namespace that was in use is loaded first. */
export async function chooseLanguage(language: Language): Promise<void> {
  await i18next.changeLanguage(language);
  localStorage.setItem(KEPT_AS, language);
  settle(language);
}

function settle(language: Language): void {
  document.documentElement.lang = language;
}
