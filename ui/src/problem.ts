import i18next from 'i18next';

/** What the API answers when it cannot do something (RFC 9457), or what kept us from asking it at all. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    readonly detail: string,
    readonly retryAfter: number | null = null,
  ) {
    super(detail || title);
  }

  /** Whether the same request may go well a little later. 0: the API was not reached. */
  get retryable(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The Problem in whatever was thrown or answered. */
export function problemOf(thrown: unknown, response?: Response): Problem {
  if (thrown instanceof Problem) return thrown;
  const wait = Number(response?.headers.get('Retry-After'));
  const retryAfter = Number.isFinite(wait) && wait > 0 ? wait : null;
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'title' in thrown) {
    const { status, code, title, detail } = thrown as Record<string, unknown>;
    return new Problem(
      Number(status ?? response?.status ?? 0),
      String(code),
      String(title),
      String(detail ?? ''),
      retryAfter,
    );
  }
  if (response !== undefined) {
    return new Problem(response.status, 'unknown', response.statusText || `HTTP ${response.status}`, '', retryAfter);
  }
  return new Problem(0, 'unreachable', 'Unreachable', '');
}

/** The Problem in the user's language: by its code where the catalogue has it, else in the API's own English. */
export function inWords(problem: Problem): string {
  const key = `problems:${problem.code}`;
  return i18next.exists(key) ? i18next.t(key as never) : problem.detail || problem.title;
}
