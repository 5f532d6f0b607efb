import type { NewBatchView, OutcomeView } from '@/client';
import { batchesCancel, batchesComplete, batchesCreate, batchesItems, batchesNeeded } from '@/client';
import { Problem, problemOf } from '@/problem';
import { HASHED_BYTES, sha256 } from '@/upload/hash';
import * as journal from '@/upload/journal';
import type { Drop, Row } from '@/upload/model';
import { Aborted, patiently, send } from '@/upload/send';
import { touch } from '@/upload/store';

const HASHED_AT_ONCE = 2;
const SENT_AT_ONCE = 4;

/** Hash, announce, send what the server lacks, close. Throws Problem or Aborted; a second run goes on with the first. */
export async function sendBatch(drop: Drop, signal: AbortSignal): Promise<void> {
  drop.phase = 'reading';
  await inParallel(HASHED_AT_ONCE, unhashed(drop), (row) => hash(row, signal));
  const rows = drop.rows.filter((row) => row.sha256 !== null).sort(byPath);
  if (rows.length === 0) return;
  for (const [position, row] of rows.entries()) row.position = position;
  drop.phase = 'announcing';
  touch();
  const digest = await digestOf(drop, rows);
  const { batch, needed } = await announce(drop, rows, digest, signal);
  await adopt(rows, needed, batch, signal);
  drop.phase = 'sending';
  touch();
  const first = firstOfEach(rows.filter((row) => row.stage === 'waiting'));
  // A zip that is new is sent as it is; of one that was cut, what is missing.
  if (drop.archive !== null && first.length > rows.length / 2) await sendArchive(drop, drop.archive, batch, signal);
  const left = first.filter((row) => row.stage === 'waiting');
  await inParallel(SENT_AT_ONCE, left, (row) => sendFile(row, rows, batch, signal));
  if (drop.rows.some((row) => row.stage === 'failed' && row.sha256 !== null)) return;
  await close(drop, digest, signal);
}

/** Close the batch as it is: what was not sent is rejected. Throws Problem. */
export async function close(drop: Drop, digest: string | null, signal: AbortSignal): Promise<void> {
  const { batch } = drop;
  if (batch === null) return;
  await patiently(signal, () => batchesComplete({ path: { batch_id: batch }, throwOnError: true }));
  if (digest === null) journal.forgetBatch(batch);
  else journal.forget(digest);
}

export async function cancelBatch(drop: Drop): Promise<void> {
  if (drop.batch === null) return;
  await batchesCancel({ path: { batch_id: drop.batch }, throwOnError: true });
  journal.forgetBatch(drop.batch);
}

const byPath = (one: Row, other: Row) =>
  one.source.path < other.source.path ? -1 : Number(one.source.path > other.source.path);

function unhashed(drop: Drop): Row[] {
  return drop.rows.filter((row) => row.sha256 === null);
}

async function inParallel(count: number, rows: Row[], work: (row: Row) => Promise<void>): Promise<void> {
  const waiting = rows.values();
  const worker = async () => {
    for (const row of waiting) await work(row);
  };
  await Promise.all(Array.from({ length: count }, worker));
}

async function hash(row: Row, signal: AbortSignal): Promise<void> {
  if (signal.aborted) throw new Aborted();
  row.stage = 'hashing';
  try {
    if (row.source.size > HASHED_BYTES) throw new Problem(413, 'upload_too_large', 'The upload is too large', '');
    row.sha256 = await sha256(await row.source.open());
    row.stage = 'waiting';
    row.problem = null;
  } catch (error) {
    row.stage = 'failed';
    row.problem = error instanceof Problem ? error : new Problem(0, 'file_unreadable', 'The file cannot be read', '');
  }
  touch();
}

/** Over contents and options, without names: it may be kept where anybody can read it. */
function digestOf(drop: Drop, rows: Row[]): Promise<string> {
  const { priority, explain } = drop.options;
  return sha256(JSON.stringify([drop.who, priority, explain, rows.map((row) => row.sha256).sort()]));
}

async function announce(drop: Drop, rows: Row[], digest: string, signal: AbortSignal) {
  const made = await create(drop, rows, digest, signal);
  drop.batch = made.id;
  const needed = new Set(made.needed);
  for (let cursor = made.needed_next; cursor !== null; ) {
    const path = { batch_id: made.id };
    const from = cursor;
    const { data } = await patiently(signal, () =>
      batchesNeeded({ path, query: { cursor: from }, throwOnError: true }),
    );
    for (const sha of data.items) needed.add(sha);
    cursor = data.next;
  }
  return { batch: made.id, needed };
}

async function create(drop: Drop, rows: Row[], digest: string, signal: AbortSignal): Promise<NewBatchView> {
  const begun = journal.begin(digest, drop.who);
  const { priority, explain } = drop.options;
  const files = rows.map((row) => ({ path: label(row.source.path), sha256: row.sha256 ?? '', size: row.source.size }));
  const headers = { 'Idempotency-Key': begun.key };
  const answer = await patiently(signal, () =>
    batchesCreate({ body: { files, priority, explain }, headers, throwOnError: true }),
  ).catch((error: unknown) => error);
  if (answer instanceof Error) {
    // The same contents under other names are another batch, and so is what the server no longer knows.
    if (!(answer instanceof Problem) || answer.code !== 'idempotency_mismatch') throw answer;
    journal.forget(digest);
    return create(drop, rows, digest, signal);
  }
  const { data, response } = answer as { data: NewBatchView; response: Response };
  if (data.state === 'closed' && response.status === 200) {
    // It was ended elsewhere meanwhile; this drop is a new one.
    journal.forget(digest);
    return create(drop, rows, digest, signal);
  }
  drop.resumed ||= response.status === 200;
  journal.note(digest, data.id);
  return data;
}

/** A path that the manifest takes: well-formed, and not endless. */
const label = (path: string) => new TextDecoder().decode(new TextEncoder().encode(path).slice(0, 4000)) || 'file';

/** What the server has already is told so at once. */
async function adopt(rows: Row[], needed: Set<string>, batch: string, signal: AbortSignal): Promise<void> {
  const known = new Map<number, Row>();
  for (const row of rows) {
    if (needed.has(row.sha256 ?? '')) row.stage = row.stage === 'failed' ? 'waiting' : row.stage;
    else known.set(row.position, row);
  }
  if (known.size === 0) return;
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const query = { paths: false, limit: 1000, cursor };
    const asked = () => batchesItems({ path: { batch_id: batch }, query, throwOnError: true });
    const { data } = await patiently(signal, asked);
    for (const item of data.items) {
      const row = known.get(item.position);
      if (row) settle(row, { ...item, retryable: false });
    }
    cursor = data.next;
  }
}

/** The rows whose content has to be sent; others of the same content are settled with it. */
function firstOfEach(rows: Row[]): Row[] {
  const seen = new Set<string | null>();
  return rows.filter((row) => !seen.has(row.sha256) && seen.add(row.sha256));
}

type Outcome = Pick<OutcomeView, 'state' | 'job' | 'code' | 'title' | 'detail' | 'retryable'>;

function settle(row: Row, outcome: Outcome): void {
  const { state, job, code, title, detail } = outcome;
  const why = code === null ? null : new Problem(422, code, title ?? code, detail ?? '');
  row.job = job;
  row.problem = state === 'rejected' || state === 'awaiting' ? why : null;
  if (state === 'awaiting') row.stage = code === null ? 'waiting' : 'failed';
  else row.stage = state === 'job' ? 'accepted' : state;
  row.sent = row.stage === 'failed' || row.stage === 'waiting' ? 0 : row.source.size;
}

function settleAll(rows: Row[], first: Row, outcome: Outcome): void {
  for (const row of rows) {
    if (row.sha256 !== first.sha256) continue;
    const repeated = row !== first && outcome.state === 'job';
    settle(row, repeated ? { ...outcome, state: 'duplicate' } : outcome);
  }
  touch();
}

async function sendFile(row: Row, rows: Row[], batch: string, signal: AbortSignal): Promise<void> {
  row.stage = 'sending';
  touch();
  try {
    const body = new Blob([await row.source.open()], { type: 'application/octet-stream' });
    const onProgress = (sent: number) => {
      row.sent = sent;
      touch();
    };
    const url = `/v1/batches/${batch}/files/${row.sha256}`;
    const attempt = () => send<OutcomeView>({ method: 'PUT', url, body, signal, onProgress });
    const onWait = (why: Problem | null) => {
      row.problem = why;
      touch();
    };
    settleAll(rows, row, await patiently(signal, attempt, onWait));
  } catch (error) {
    if (error instanceof Aborted || isFatal(error)) throw error;
    const { code, title, detail, retryable, status } = problemIn(error);
    const rejected = status >= 400 && !retryable;
    settleAll(rows, row, { state: rejected ? 'rejected' : 'awaiting', job: null, code, title, detail, retryable });
  }
}

const isFatal = (error: unknown): boolean =>
  error instanceof Problem && ([401, 403, 404].includes(error.status) || error.code === 'batch_closed');

/** A file that cannot be read throws what is no Problem. */
const problemIn = (error: unknown): Problem =>
  error instanceof DOMException ? new Problem(0, 'file_unreadable', 'The file cannot be read', '') : problemOf(error);

async function sendArchive(drop: Drop, archive: File, batch: string, signal: AbortSignal): Promise<void> {
  const waiting = drop.rows.filter((row) => row.stage === 'waiting');
  const packed = archive.size || 1;
  const { results } = await patiently(signal, () =>
    send<{ results: OutcomeView[] }>({
      method: 'POST',
      url: `/v1/batches/${batch}/archive`,
      body: new Blob([archive], { type: 'application/zip' }),
      signal,
      onProgress: (sent) => {
        for (const row of waiting) row.sent = Math.floor((row.source.size * Math.min(sent, packed)) / packed);
        touch();
      },
    }),
  );
  const outcomes = new Map(results.map((outcome) => [outcome.sha256, outcome]));
  for (const row of firstOfEach(waiting)) {
    const outcome = outcomes.get(row.sha256);
    if (outcome) settleAll(waiting, row, outcome);
  }
}
