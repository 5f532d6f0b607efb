import { expect, test } from 'vitest';
import { sha256 } from '@/upload/hash';
import { picked } from '@/upload/pick';
import { sourcesOf } from '@/upload/zip';

// Written by Python's zipfile: a folder, a deflated file, a stored one, a hidden one; and one with Zip64 local fields.
const EXAM =
  'UEsDBBQAAAAAAAAAIVwAAAAAAAAAAAAAAAAFAAAAZXhhbS9QSwMEFAAACAgAAAAhXPbSUzgLAAAAHQAAABAAAABleGFtL03DvGxsZXIu' +
  'dHh0y0jNyclXyMBOAgBQSwMEFAAAAAAAAAAhXLMkTpYIAAAACAAAAA4AAABleGFtL3BsYWluLnR4dGFzIGl0IGlzUEsDBBQAAAAAAAAA' +
  'IVyDFtyMAQAAAAEAAAAOAAAAZXhhbS8uRFNfU3RvcmV4UEsBAhQDFAAAAAAAAAAhXAAAAAAAAAAAAAAAAAUAAAAAAAAAAAAAAIABAAAA' +
  'AGV4YW0vUEsBAhQDFAAACAgAAAAhXPbSUzgLAAAAHQAAABAAAAAAAAAAAAAAAIABIwAAAGV4YW0vTcO8bGxlci50eHRQSwECFAMUAAAA' +
  'AAAAACFcsyROlggAAAAIAAAADgAAAAAAAAAAAAAAgAFcAAAAZXhhbS9wbGFpbi50eHRQSwECFAMUAAAAAAAAACFcgxbcjAEAAAABAAAA' +
  'DgAAAAAAAAAAAAAAgAGQAAAAZXhhbS8uRFNfU3RvcmVQSwUGAAAAAAQABADpAAAAvQAAAAAA';
const WIDE =
  'UEsDBC0AAAAIAAAAIVxAQTWi//////////8IABQAd2lkZS50eHQBABAADgAAAAAAAAAJAAAAAAAAACvPTElVKIcRAFBLAQItAy0AAAAI' +
  'AAAAIVxAQTWiCQAAAA4AAAAIAAAAAAAAAAAAAACAAQAAAAB3aWRlLnR4dFBLBQYAAAAAAQABADYAAABDAAAAAAA=';

const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
const file = (bytes: Uint8Array<ArrayBuffer>, name = 'exam.zip') => new File([bytes], name);

async function texts(archive: File): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const source of await sourcesOf(archive)) found[source.path] = await (await source.open()).text();
  return found;
}

test('the files of a zip, deflated and stored', async () => {
  expect(await texts(file(bytesOf(EXAM)))).toEqual({
    'exam/Müller.txt': 'hello hello hello hello hello',
    'exam/plain.txt': 'as it is',
    'exam/.DS_Store': 'x',
  });
  expect(await texts(file(bytesOf(WIDE)))).toEqual({ 'wide.txt': 'wide wide wide' });
});

test('their hashes are those of the files themselves', async () => {
  const [source] = await sourcesOf(file(bytesOf(EXAM)));
  const known = await sha256('hello hello hello hello hello');
  expect(await sha256((await source?.open()) ?? '')).toBe(known);
  expect(await sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('what is damaged, cut, encrypted or no zip is said to be unreadable', async () => {
  const cut = bytesOf(EXAM).slice(0, -30);
  const encrypted = bytesOf(EXAM);
  const directory = encrypted.findIndex((_, at) => [80, 75, 1, 2].every((sign, k) => encrypted[at + k] === sign));
  encrypted[directory + 8] = 1;
  const outside = bytesOf(EXAM);
  outside[outside.length - 5] = 127;
  for (const bytes of [cut, encrypted, outside, new Uint8Array(0), new Uint8Array(99)]) {
    await expect(sourcesOf(file(bytes))).rejects.toMatchObject({ code: 'archive_unreadable' });
  }
});

test('an entry that inflates to more than it states is given up', async () => {
  const lying = bytesOf(EXAM);
  const directory = lying.findLastIndex((_, at) => [0x4d, 0xc3, 0xbc].every((sign, k) => lying[at + k] === sign)) - 51;
  lying[directory + 24] = 3;
  const source = (await sourcesOf(file(lying))).find(({ path }) => path.endsWith('Müller.txt'));
  expect(source?.size).toBe(3);
  await expect(source?.open()).rejects.toMatchObject({ code: 'archive_unreadable' });
});

test('a zip is sent for itself, hidden files and disc indexes are left out, the rest is in order', async () => {
  const at = (path: string) => ({ path, file: file(new Uint8Array(1), path.split('/').at(-1)) });
  const picks = await picked([
    ...['ward/10.dcm', 'ward/9.dcm', 'ward/.hidden', 'ward/DICOMDIR', '.git/x.dcm', '__MACOSX/a.dcm'].map(at),
    { path: 'exam.zip', file: file(bytesOf(EXAM)) },
  ]);
  expect(picks.map(({ sources }) => sources.map(({ path }) => path))).toEqual([
    ['ward/9.dcm', 'ward/10.dcm'],
    ['exam/Müller.txt', 'exam/plain.txt'],
  ]);
  expect(picks.map(({ leftOut }) => leftOut)).toEqual([4, 1]);
});
