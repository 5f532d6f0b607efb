import type { ItemStates } from '@/pages/submit/useItemStates';
import type { Drop, Stage } from '@/upload/model';

export interface Tally {
  files: number;
  /** The other side has said what becomes of so many. */
  decided: number;
  /** With a job, their own or another's; `judged` of them have a result, `unsuccessful` never will. */
  taken: number;
  judged: number;
  unsuccessful: number;
  duplicates: number;
  rejected: number;
  failed: number;
  /** Of 1. */
  sentShare: number;
  doneShare: number;
}

const UNSUCCESSFUL: ReadonlySet<string> = new Set(['failed', 'dead', 'cancelled', 'expired']);

export function tallyOf(drop: Drop, states: ItemStates): Tally {
  const stages: Partial<Record<Stage, number>> = {};
  let [bytes, sent, judged, unsuccessful, taken] = [0, 0, 0, 0, 0];
  for (const row of drop.rows) {
    stages[row.stage] = (stages[row.stage] ?? 0) + 1;
    bytes += row.source.size + 1;
    sent += row.stage === 'rejected' ? row.source.size + 1 : row.sent + Number(row.sent === row.source.size);
    const state = states.of(row)?.job_state;
    // A file that was cancelled here may have arrived all the same.
    if (state || row.stage === 'accepted' || row.stage === 'duplicate') taken += 1;
    if (state === 'succeeded') judged += 1;
    else if (state && UNSUCCESSFUL.has(state)) unsuccessful += 1;
  }
  const count = (stage: Stage) => stages[stage] ?? 0;
  const files = drop.rows.length;
  return {
    files,
    decided: taken + count('rejected'),
    taken,
    judged: states.judged ?? judged,
    unsuccessful: states.unsuccessful ?? unsuccessful,
    duplicates: count('duplicate'),
    rejected: count('rejected'),
    failed: count('failed'),
    sentShare: bytes === 0 ? 0 : sent / bytes,
    doneShare:
      files === 0 ? 0 : ((states.judged ?? judged) + (states.unsuccessful ?? unsuccessful) + count('rejected')) / files,
  };
}
