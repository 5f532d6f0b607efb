import type { JobView } from '@/client';
import { jobsCancel } from '@/client';
import type { Drop, Row } from '@/upload/model';
import { patiently, send } from '@/upload/send';
import { touch } from '@/upload/store';

/** Send the one file of a drop as a job of its own. Throws Problem or Aborted. */
export async function sendSingle(drop: Drop, row: Row, signal: AbortSignal): Promise<void> {
  const file = await row.source.open();
  row.stage = 'sending';
  drop.phase = 'sending';
  touch();
  const attempt = () => {
    row.sent = 0;
    return send<JobView>({
      method: 'POST',
      url: '/v1/jobs',
      body: form(drop, row, file),
      headers: { 'Idempotency-Key': `web-${drop.id}` },
      signal,
      onProgress: (sent) => {
        row.sent = Math.min(sent, row.source.size);
        touch();
      },
    });
  };
  const job = await patiently(signal, attempt, (why) => {
    row.problem = why;
    touch();
  });
  row.sent = row.source.size;
  row.job = job.id;
  row.stage = 'accepted';
}

function form(drop: Drop, row: Row, file: Blob): FormData {
  const { priority, explain, stability } = drop.options;
  const fields = new FormData();
  fields.append('priority', String(priority));
  if (explain !== null) fields.append('explain', explain.join(','));
  if (stability) fields.append('stability', 'true');
  // Browsers guess a type by the name, which is no claim of the user's; the content decides.
  const name = row.source.path.split('/').at(-1) ?? 'file';
  fields.append('file', new Blob([file], { type: 'application/octet-stream' }), name);
  return fields;
}

/** Take the job of a single file back. Throws Problem: it may have ended meanwhile. */
export async function cancelSingle(row: Row): Promise<void> {
  if (row.job !== null) await jobsCancel({ path: { job_id: row.job }, throwOnError: true });
}
