// A line for each file of words: `tsc` holds every page to the English ones, and tests/ui/test_words.py the other
// languages to those.
interface Files {
  account: typeof import('./en/account.json');
  admin: typeof import('./en/admin.json');
  audit: typeof import('./en/audit.json');
  batches: typeof import('./en/batches.json');
  dead: typeof import('./en/dead.json');
  deliveries: typeof import('./en/deliveries.json');
  drift: typeof import('./en/drift.json');
  job: typeof import('./en/job.json');
  jobs: typeof import('./en/jobs.json');
  login: typeof import('./en/login.json');
  models: typeof import('./en/models.json');
  overview: typeof import('./en/overview.json');
  problems: typeof import('./en/problems.json');
  reports: typeof import('./en/reports.json');
  shell: typeof import('./en/shell.json');
  studies: typeof import('./en/studies.json');
  submit: typeof import('./en/submit.json');
  viewer: typeof import('./en/viewer.json');
  words: typeof import('./en/words.json');
  workers: typeof import('./en/workers.json');
}

type Words<T> = { [Key in Exclude<keyof T, 'default'>]: T[Key] extends string ? string : Words<T[Key]> };

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'shell';
    // What pages are called in the menu is gathered from their own files (vite.config.ts).
    resources: Words<Files> & { menu: Record<string, string> };
  }
}

export {};
