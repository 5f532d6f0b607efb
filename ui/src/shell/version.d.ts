/** The release that these pages were built with: of the contract, and so of the API beside them (ui/vite.config.ts). */
declare const LUCENCY_VERSION: string;
