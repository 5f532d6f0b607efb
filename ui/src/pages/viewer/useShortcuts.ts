import { useEffect, useRef } from 'react';

export type Keys = Record<string, () => void>;

const TYPING = 'input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]';
const ARROWS = new Set(['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown']);

/**
 * Single keys, by `event.key` in lower case. Not while somebody types, not with Ctrl, Alt or Meta, not behind a dialog;
 * and arrows only where nothing else of the page takes them.
 */
export function useShortcuts(keys: Keys, enabled: boolean): void {
  const latest = useRef(keys);
  latest.current = keys;
  useEffect(() => {
    if (!enabled) return;
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
      const target = event.target instanceof Element ? event.target : null;
      if (target?.closest(TYPING) || target?.closest('[role=dialog], [role=menu], [role=listbox]')) return;
      if (ARROWS.has(event.key) && target?.closest('[data-testid=surface]') === null) return;
      const act = latest.current[event.key.toLowerCase()];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [enabled]);
}
