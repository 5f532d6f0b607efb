import type { Problem } from '@/problem';

/** Where the bytes of one file come from: the disk, or an archive that lies there. */
export interface Source {
  /** As the user knows it: with its folders, where it has some. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Throws where the file cannot be read (any more). */
  open(): Promise<Blob>;
}

/** What the user dropped: files, what was left out unasked, and the archive that the files are in. */
export interface Picked {
  readonly sources: Source[];
  readonly leftOut: number;
  readonly archive: File | null;
}

/** How the files are to be judged; `explain` null leaves it to the model. */
export interface SubmitOptions {
  readonly priority: number;
  readonly explain: string[] | null;
  readonly stability: boolean;
}

/**
 * Of one file on its way in. `accepted`: it has a job of its own; `duplicate`: another file's or an earlier job does;
 * `rejected`: it never will; `failed`: this try did not work, and another one may.
 */
export type Stage = 'waiting' | 'hashing' | 'sending' | 'accepted' | 'duplicate' | 'rejected' | 'failed' | 'cancelled';

export interface Row {
  /** In the batch's manifest; of a single file 0. */
  position: number;
  readonly source: Source;
  stage: Stage;
  /** Bytes that are on the other side. */
  sent: number;
  sha256: string | null;
  job: string | null;
  problem: Problem | null;
}

/** `stopped`: it cannot go on by itself; `problem` says why where it is known. */
export type Phase = 'reading' | 'announcing' | 'sending' | 'done' | 'stopped' | 'cancelled';

/** What was dropped in one go, and how far it has come. */
export interface Drop {
  /** Names it in this visit; a single file's Idempotency-Key too, so that a second try makes no second job. */
  readonly id: string;
  /** User and Site: what one sent is not shown to the next. */
  readonly who: string;
  readonly kind: 'file' | 'files' | 'archive';
  readonly title: string | null;
  readonly options: SubmitOptions;
  readonly leftOut: number;
  readonly archive: File | null;
  rows: Row[];
  phase: Phase;
  batch: string | null;
  /** It went on with a batch that an earlier visit had begun. */
  resumed: boolean;
  problem: Problem | null;
}

/** Nothing more will happen to a row by itself. */
export const SETTLED: ReadonlySet<Stage> = new Set(['accepted', 'duplicate', 'rejected', 'failed', 'cancelled']);

export const isAtWork = (drop: Drop): boolean => ['reading', 'announcing', 'sending'].includes(drop.phase);
