/** Browsers keep it from pages that came over plain http from another machine. */
export const canHash = (): boolean => globalThis.crypto?.subtle !== undefined;

// The digest wants the whole file in memory; no radiograph is near this, and no server of ours takes it.
export const HASHED_BYTES = 1024 ** 3;

/** SHA-256 as lower-case hex. The browser computes it beside the page's own thread. */
export async function sha256(data: Blob | string): Promise<string> {
  const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : await data.arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
