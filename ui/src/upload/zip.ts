import { Problem } from '@/problem';
import type { Source } from '@/upload/model';

// After APPNOTE 6.3.10: 4.3.7 local header, 4.3.12 central directory, 4.3.14 to 4.3.16 its end, 4.5.3 Zip64. Only what is
// needed to name and hash the files of a zip; the server checks it as if it meant harm.
const END = 0x06054b50;
const END64_LOCATOR = 0x07064b50;
const CENTRAL = 0x02014b50;
const END_BYTES = 22;
const LOCATOR_BYTES = 20;
const FULL16 = 0xffff;
const FULL32 = 0xffffffff;
const ENCRYPTED = 1;
const DEFLATED = 8;
const LARGEST_ENTRY = 1024 ** 3;

interface Entry {
  path: string;
  method: number;
  packed: number;
  size: number;
  header: number;
}

export const isArchive = (file: File): boolean =>
  file.name.toLowerCase().endsWith('.zip') || ['application/zip', 'application/x-zip-compressed'].includes(file.type);

const unsafe = (why: string) => new Problem(422, 'archive_unreadable', 'The zip cannot be read', why);

async function view(blob: Blob, start: number, length: number): Promise<DataView> {
  if (start < 0 || start + length > blob.size) throw unsafe('It points outside of itself.');
  return new DataView(await blob.slice(start, start + length).arrayBuffer());
}

/** The files of a zip, without its folders; each is inflated when it is opened. Throws Problem. */
export async function sourcesOf(archive: File): Promise<Source[]> {
  try {
    const entries = await directory(archive);
    return entries.map((entry) => ({ path: entry.path, size: entry.size, open: () => inflated(archive, entry) }));
  } catch (error) {
    throw error instanceof Problem ? error : unsafe('It is damaged, or no zip.');
  }
}

async function directory(archive: File): Promise<Entry[]> {
  const [count, start, length] = await whereabouts(archive);
  const data = await view(archive, start, length);
  const entries: Entry[] = [];
  let at = 0;
  for (let number = 0; number < count; number += 1) {
    if (data.getUint32(at, true) !== CENTRAL) throw unsafe('Its directory is malformed.');
    if (data.getUint16(at + 8, true) & ENCRYPTED) throw unsafe('It is encrypted.');
    const name = data.getUint16(at + 28, true);
    const extra = data.getUint16(at + 30, true);
    const path = new TextDecoder().decode(new Uint8Array(data.buffer, data.byteOffset + at + 46, name));
    const sizes = [data.getUint32(at + 24, true), data.getUint32(at + 20, true), data.getUint32(at + 42, true)];
    const [size, packed, header] = widened(data, at + 46 + name, extra, sizes) as [number, number, number];
    if (!/[/\\]$/.test(path)) entries.push({ path, method: data.getUint16(at + 10, true), packed, size, header });
    at += 46 + name + extra + data.getUint16(at + 32, true);
  }
  return entries;
}

/** Number of entries, where the central directory begins, and its bytes. */
async function whereabouts(archive: File): Promise<[number, number, number]> {
  const from = Math.max(0, archive.size - END_BYTES - FULL16);
  const tail = await view(archive, from, archive.size - from);
  let at = tail.byteLength - END_BYTES;
  while (at >= 0 && tail.getUint32(at, true) !== END) at -= 1;
  if (at < 0) throw unsafe('It is damaged, or no zip.');
  const narrow: [number, number, number] = [
    tail.getUint16(at + 10, true),
    tail.getUint32(at + 16, true),
    tail.getUint32(at + 12, true),
  ];
  const locator = at - LOCATOR_BYTES;
  if (locator < 0 || tail.getUint32(locator, true) !== END64_LOCATOR) return narrow;
  const end64 = await view(archive, Number(tail.getBigUint64(locator + 8, true)), 56);
  const wide = (offset: number) => Number(end64.getBigUint64(offset, true));
  return [wide(32), wide(48), wide(40)];
}

/** Size, packed size and offset, those that did not fit from the Zip64 field. */
function widened(data: DataView, start: number, length: number, values: number[]): number[] {
  for (let at = start; at + 4 <= start + length; at += 4 + data.getUint16(at + 2, true)) {
    if (data.getUint16(at, true) !== 1) continue;
    let next = at + 4;
    return values.map((value) => {
      if (value !== FULL32) return value;
      next += 8;
      return Number(data.getBigUint64(next - 8, true));
    });
  }
  return values;
}

async function inflated(archive: File, entry: Entry): Promise<Blob> {
  if (entry.size > LARGEST_ENTRY) throw unsafe('One of its files is far too large.');
  const local = await view(archive, entry.header, 30);
  const start = entry.header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  const packed = archive.slice(start, start + entry.packed);
  if (entry.method !== DEFLATED) return packed;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = packed.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    size += value?.byteLength ?? 0;
    if (size > entry.size) throw unsafe('One of its files is larger than it says.');
    if (value) pieces.push(value);
  }
  return new Blob(pieces);
}
