import { sessionQuery } from '@/auth/session';
import { Problem } from '@/problem';
import { queryClient } from '@/queries';

interface Sending {
  method: 'POST' | 'PUT';
  url: string;
  body: XMLHttpRequestBodyInit;
  headers?: Record<string, string>;
  signal: AbortSignal;
  /** Bytes of the body that have left. */
  onProgress?: (sent: number) => void;
}

export class Aborted extends Error {}

/** Send a body with progress, which `fetch` cannot tell. Answers the JSON; throws Problem or Aborted. */
export function send<T>({ method, url, body, headers = {}, signal, onProgress }: Sending): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new Aborted());
      return;
    }
    const request = new XMLHttpRequest();
    request.open(method, url);
    const session = queryClient.getQueryData(sessionQuery.queryKey);
    if (session) request.setRequestHeader('X-CSRF-Token', session.csrf_token);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    const abort = () => request.abort();
    signal.addEventListener('abort', abort);
    request.upload.onprogress = (event) => onProgress?.(event.loaded);
    request.onabort = () => reject(new Aborted());
    request.onerror = () => reject(new Problem(0, 'unreachable', 'Unreachable', ''));
    request.onload = () => {
      const answer = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300 && answer !== null) resolve(answer as T);
      else reject(problemIn(request, answer));
    };
    request.onloadend = () => signal.removeEventListener('abort', abort);
    request.send(body);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problemIn(request: XMLHttpRequest, answer: unknown): Problem {
  if (request.status === 401) queryClient.setQueryData(sessionQuery.queryKey, null);
  const { code, title, detail } = (answer ?? {}) as Record<string, unknown>;
  const wait = Number(request.getResponseHeader('Retry-After'));
  const text = (value: unknown, otherwise: string) => (typeof value === 'string' ? value : otherwise);
  return new Problem(
    request.status,
    text(code, 'unknown'),
    text(title, request.statusText || `HTTP ${request.status}`),
    text(detail, ''),
    wait > 0 ? wait : null,
  );
}

const TRIES = 8;
const LONGEST_WAIT_MS = 20_000;

/**
 * Try again what may go well a little later, for about a minute and a half; `onWait` hears why it waits, and null when
 * it goes on. Throws Problem or Aborted.
 */
export async function patiently<T>(
  signal: AbortSignal,
  attempt: () => Promise<T>,
  onWait: (why: Problem | null) => void = () => {},
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Problem) || !error.retryable || tried >= TRIES) throw error;
      const wait = error.retryAfter === null ? 500 * 2 ** tried : error.retryAfter * 1000;
      onWait(error);
      await pause(Math.min(wait, LONGEST_WAIT_MS), signal);
      onWait(null);
    }
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new Aborted());
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
