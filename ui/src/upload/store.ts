import { useSyncExternalStore } from 'react';
import type { Drop } from '@/upload/model';
import { isAtWork } from '@/upload/model';

// Uploads outlive the page that began them: who looks at a job meanwhile finds them where they were.
const EMIT_MS = 120;
const KEPT = 20;

let drops: readonly Drop[] = [];
let version = 0;
let timer: ReturnType<typeof setTimeout> | null = null;
const listeners = new Set<() => void>();

function emit(): void {
  timer = null;
  version += 1;
  for (const listener of listeners) listener();
}

/** Tell the pages that something of a drop changed; many changes in a moment are told once. */
export function touch(): void {
  if (timer === null) timer = setTimeout(emit, EMIT_MS);
}

export function add(drop: Drop): void {
  drops = [drop, ...drops.filter((one, at) => isAtWork(one) || at < KEPT)];
  emit();
}

export function remove(drop: Drop): void {
  drops = drops.filter((one) => one !== drop);
  emit();
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
  };
};

/** The drops of this visit, newest first. They are changed in place: render what you read of them. */
export function useDrops(who: string): readonly Drop[] {
  useSyncExternalStore(subscribe, () => version);
  return drops.filter((drop) => drop.who === who);
}

/** Whether this tab is sending the files of a batch just now. */
export function useSending(batch: string): boolean {
  useSyncExternalStore(subscribe, () => version);
  return drops.some((drop) => drop.batch === batch && isAtWork(drop));
}

// Closing the tab cuts what is being sent; the browser asks first.
window.addEventListener('beforeunload', (event) => {
  if (drops.some(isAtWork)) event.preventDefault();
});
