import { beforeEach, expect, test, vi } from 'vitest';
import { begin, forget, forgetBatch, leftOpen, note } from '@/upload/journal';

beforeEach(() => {
  const kept = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => kept.set(name, value),
  });
  vi.useRealTimers();
});

test('the same manifest finds its batch again, until it is ended', () => {
  const first = begin('digest', 'nurse hospital');
  note('digest', 'batch-1');
  expect(begin('digest', 'nurse hospital')).toEqual({ ...first, batch: 'batch-1' });
  expect(leftOpen('nurse hospital')).toEqual(['batch-1']);
  expect(leftOpen('another hospital')).toEqual([]);
  forget('digest');
  expect(leftOpen('nurse hospital')).toEqual([]);
  expect(begin('digest', 'nurse hospital').key).not.toBe(first.key);
});

test('a batch can be forgotten by its id', () => {
  begin('digest', 'who');
  note('digest', 'batch-1');
  forgetBatch('batch-1');
  expect(leftOpen('who')).toEqual([]);
});

test('what is old or torn is nothing', () => {
  begin('digest', 'who');
  note('digest', 'batch-1');
  vi.useFakeTimers({ now: Date.now() + 8 * 24 * 3600 * 1000 });
  expect(leftOpen('who')).toEqual([]);
  localStorage.setItem('lucency.uploads', '{"torn');
  expect(leftOpen('who')).toEqual([]);
});
