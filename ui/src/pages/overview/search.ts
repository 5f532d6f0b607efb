/** Whose figures: of the Site in view, or of the platform. */
export type Of = 'site' | 'platform';

/** What the address says; nothing where it says nothing we know. */
export const ofSearch = ({ of }: { of?: unknown }): Of | undefined =>
  of === 'site' || of === 'platform' ? of : undefined;
