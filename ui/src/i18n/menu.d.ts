// A module of vite.config.ts: what pages are called in the menu, in one language.
declare module 'virtual:menu/*' {
  const words: Record<string, string>;
  export default words;
}
