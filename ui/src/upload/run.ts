import { Problem, problemOf } from '@/problem';
import { cancelBatch, close, sendBatch } from '@/upload/batch';
import { canHash } from '@/upload/hash';
import type { Drop, Picked, Row, Source, SubmitOptions } from '@/upload/model';
import { isAtWork, SETTLED } from '@/upload/model';
import { Aborted } from '@/upload/send';
import { cancelSingle, sendSingle } from '@/upload/single';
import { add, touch } from '@/upload/store';

const aborts = new WeakMap<Drop, AbortController>();

const rowOf = (source: Source): Row => ({
  position: 0,
  source,
  stage: 'waiting',
  sent: 0,
  sha256: null,
  job: null,
  problem: null,
});

/** Send what was picked: one file as a job, several and archives as a batch. `title` in place of a file's own name. */
export function start(picked: Picked, options: SubmitOptions, who: string, title: string | null = null): void {
  const { sources, leftOut, archive } = picked;
  const kind = archive !== null ? 'archive' : sources.length === 1 ? 'file' : 'files';
  const drop: Drop = {
    id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`,
    who,
    kind,
    title: title ?? archive?.name ?? null,
    options,
    leftOut,
    archive,
    rows: sources.map(rowOf),
    phase: 'reading',
    batch: null,
    resumed: false,
    problem: null,
  };
  add(drop);
  void run(drop);
}

async function run(drop: Drop): Promise<void> {
  const abort = new AbortController();
  aborts.set(drop, abort);
  drop.problem = null;
  try {
    await work(drop, abort.signal);
    drop.phase = drop.rows.some((row) => row.stage === 'failed') ? 'stopped' : 'done';
  } catch (error) {
    fail(drop, error);
  }
  touch();
}

async function work(drop: Drop, signal: AbortSignal): Promise<void> {
  const [row] = drop.rows;
  if (row === undefined) throw new Problem(0, 'nothing_to_send', 'Nothing to send', '');
  if (drop.kind === 'file') return sendSingle(drop, row, signal);
  if (!canHash()) throw new Problem(0, 'insecure_page', 'This page was not loaded securely', '');
  return sendBatch(drop, signal);
}

function fail(drop: Drop, error: unknown): void {
  if (error instanceof Aborted) return;
  const problem =
    error instanceof DOMException ? new Problem(0, 'file_unreadable', 'The file cannot be read', '') : problemOf(error);
  const [row] = drop.rows;
  if (drop.kind === 'file' && row !== undefined) {
    row.problem = problem;
    row.stage = problem.retryable || problem.status === 401 ? 'failed' : 'rejected';
    drop.phase = row.stage === 'failed' ? 'stopped' : 'done';
    return;
  }
  for (const one of drop.rows) if (!SETTLED.has(one.stage)) one.stage = one.sha256 === null ? 'waiting' : 'failed';
  drop.problem = problem;
  drop.phase = 'stopped';
}

/** Send again what did not get through. */
export function retry(drop: Drop): void {
  if (isAtWork(drop)) return;
  for (const row of drop.rows) {
    if (row.stage !== 'failed') continue;
    row.stage = 'waiting';
    row.sent = 0;
    row.problem = null;
  }
  drop.phase = 'reading';
  touch();
  void run(drop);
}

/** End a batch without the files that did not get through. */
export async function finish(drop: Drop): Promise<void> {
  for (const row of drop.rows) if (row.stage === 'failed') row.stage = 'cancelled';
  try {
    await close(drop, null, new AbortController().signal);
    drop.phase = 'done';
  } catch (error) {
    drop.problem = problemOf(error);
  }
  touch();
}

/** Stop sending, and cancel what was made of it. */
export async function cancel(drop: Drop): Promise<void> {
  aborts.get(drop)?.abort();
  drop.phase = 'cancelled';
  for (const row of drop.rows) if (!SETTLED.has(row.stage) || row.stage === 'failed') row.stage = 'cancelled';
  touch();
  try {
    const [row] = drop.rows;
    if (drop.kind !== 'file') await cancelBatch(drop);
    else if (row !== undefined) await cancelSingle(row);
  } catch (error) {
    drop.problem = problemOf(error);
  }
  touch();
}
