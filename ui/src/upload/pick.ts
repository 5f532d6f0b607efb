import type { Picked, Source } from '@/upload/model';
import { isArchive, sourcesOf } from '@/upload/zip';

// What lies in folders and was never meant: hidden files, those of macOS and Windows, and the index of a DICOM disc.
const UNMEANT = new Set(['dicomdir', 'thumbs.db', 'desktop.ini', '__macosx']);
export const isMeant = (path: string): boolean =>
  path.split('/').every((part) => !part.startsWith('.') && !UNMEANT.has(part.toLowerCase()));

interface Found {
  path: string;
  file: File;
}

/** The files of an `<input type="file">`, with or without a folder. */
export function foundIn(list: FileList): Found[] {
  return Array.from(list, (file) => ({ path: file.webkitRelativePath || file.name, file }));
}

/** The files of a drop, those in folders too. Call it in the event itself: the list is gone after it. */
export function foundInDrop(transfer: DataTransfer): Promise<Found[]> {
  const entries = Array.from(transfer.items, (item) => (item.kind === 'file' ? item.webkitGetAsEntry() : null));
  if (entries.every((entry) => entry === null)) return Promise.resolve(foundIn(transfer.files));
  return walked(entries.filter((entry) => entry !== null));
}

async function walked(entries: FileSystemEntry[]): Promise<Found[]> {
  const found: Found[] = [];
  const waiting = [...entries];
  for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
    const path = entry.fullPath.replace(/^\//, '');
    if (entry.isDirectory) waiting.push(...(await children(entry as FileSystemDirectoryEntry)));
    else found.push({ path, file: await fileOf(entry as FileSystemFileEntry) });
  }
  return found;
}

const fileOf = (entry: FileSystemFileEntry) =>
  new Promise<File>((resolve) => entry.file(resolve, () => resolve(new Unreadable([], entry.name))));

/** A file that the browser was not let to. */
class Unreadable extends File {
  override arrayBuffer(): Promise<ArrayBuffer> {
    return Promise.reject(new DOMException('unreadable', 'NotReadableError'));
  }
}

async function children(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    // It gives a hundred or so at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** What is to be sent: each zip for itself, everything else together. Throws Problem for a zip that cannot be read. */
export async function picked(found: Found[]): Promise<Picked[]> {
  const inOrder = (one: Found, other: Found) => one.path.localeCompare(other.path, undefined, { numeric: true });
  const meant = found.filter(({ path }) => isMeant(path)).sort(inOrder);
  const archives = meant.filter(({ file }) => isArchive(file));
  const files = meant.filter(({ file }) => !isArchive(file)).map(sourceOf);
  const picks: Picked[] = [];
  if (files.length > 0 || archives.length === 0)
    picks.push({ sources: files, leftOut: found.length - meant.length, archive: null });
  for (const { file } of archives) {
    const all = await sourcesOf(file);
    const sources = all.filter(({ path }) => isMeant(path));
    picks.push({ sources, leftOut: all.length - sources.length, archive: file });
  }
  return picks;
}

const sourceOf = ({ path, file }: Found): Source => ({ path, size: file.size, open: () => Promise.resolve(file) });
