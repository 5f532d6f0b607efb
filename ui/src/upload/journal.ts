/**
 * Batches that were begun and not ended, so that the same drop goes on after a reload. It holds hashes over contents and
 * ids of our own: neither names of files nor anything of a patient.
 */
export interface Begun {
  readonly who: string;
  /** The Idempotency-Key that finds the batch again. */
  readonly key: string;
  readonly batch: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
}

const KEPT_AS = 'lucency.uploads';
const KEPT_FOR_MS = 7 * 24 * 3600 * 1000;
const KEPT = 50;

function read(): Record<string, Begun> {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT_AS) ?? '{}') as Record<string, Begun>;
    return Object.fromEntries(Object.entries(kept).filter(([, begun]) => begun.at > Date.now() - KEPT_FOR_MS));
  } catch {
    return {};
  }
}

function write(kept: Record<string, Begun>): void {
  const newest = Object.entries(kept)
    .sort(([, one], [, other]) => other.at - one.at)
    .slice(0, KEPT);
  try {
    localStorage.setItem(KEPT_AS, JSON.stringify(Object.fromEntries(newest)));
  } catch {
    // A full or forbidden storage costs the going on after a reload, and nothing else.
  }
}

/** The batch that this manifest began, or a new beginning, written down before the server hears of it. */
export function begin(digest: string, who: string): Begun {
  const kept = read();
  const begun = kept[digest] ?? { who, key: `web-${crypto.randomUUID()}`, batch: null, at: Date.now() };
  write({ ...kept, [digest]: begun });
  return begun;
}

export function note(digest: string, batch: string): void {
  const kept = read();
  const begun = kept[digest];
  if (begun) write({ ...kept, [digest]: { ...begun, batch } });
}

export function forget(digest: string): void {
  const { [digest]: _gone, ...rest } = read();
  write(rest);
}

/** Ids of the batches that this user left open at this Site, newest first. */
export function leftOpen(who: string): string[] {
  return Object.values(read())
    .filter((begun) => begun.who === who && begun.batch !== null)
    .sort((one, other) => other.at - one.at)
    .map((begun) => begun.batch as string);
}

export function forgetBatch(batch: string): void {
  write(Object.fromEntries(Object.entries(read()).filter(([, begun]) => begun.batch !== batch)));
}
