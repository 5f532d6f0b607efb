declare const __LUCENCY_VERSION__: string;

/** The release that these pages were built with: of the contract, and so of the API beside them. */
export const VERSION = __LUCENCY_VERSION__;
