import { expect, test } from 'vitest';
import { readRadiograph, squared } from '@/pages/viewer/radiograph';

const headers = (fields: Record<string, string>) =>
  new Headers(Object.entries(fields).map(([name, value]) => [`Lucency-${name}`, value] as [string, string]));
const TWO_BY_TWO = { Rows: '2', Columns: '2', Bits: '16', Signed: 'false' };

test('values are as they come where pixels are square, or nothing is said', () => {
  const values = new Uint16Array([1, 2, 3, 4]);
  for (const said of [{}, { Aspect: '1' }] as Record<string, string>[]) {
    const found = readRadiograph(values.buffer, headers({ ...TWO_BY_TWO, ...said }));
    expect([found.rows, found.columns, [...found.values]]).toEqual([2, 2, [1, 2, 3, 4]]);
  }
});

test('pixels twice as high as wide make a picture twice as high', () => {
  const found = readRadiograph(new Uint16Array([0, 100, 400, 500]).buffer, headers({ ...TWO_BY_TWO, Aspect: '2' }));
  expect([found.rows, found.columns]).toEqual([4, 2]);
  expect([...found.values]).toEqual([0, 100, 100, 200, 300, 400, 400, 500]);
});

test('pixels half as high as wide make one twice as wide, with the sign of its values', () => {
  const found = squared({ rows: 1, columns: 2, values: new Int16Array([-400, 400]) }, 0.5);
  expect([found.rows, found.columns, [...found.values]]).toEqual([1, 4, [-400, -200, 200, 400]]);
  expect(found.values).toBeInstanceOf(Int16Array);
});

test('a picture that would be too large shrinks along its other side', () => {
  const found = squared({ rows: 8192, columns: 1024, values: new Uint8Array(8192 * 1024) }, 10);
  expect([found.rows, found.columns]).toEqual([8192, 102]);
});
