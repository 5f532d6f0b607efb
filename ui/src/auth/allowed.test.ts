import { expect, test } from 'vitest';
import { firstPage } from '@/auth/allowed';

test('everybody begins on a page that is open to them', () => {
  expect(firstPage(['read', 'submit', 'admin', 'operate'])).toBe('/submit');
  expect(firstPage(['read', 'submit'])).toBe('/submit');
  expect(firstPage(['read'])).toBe('/jobs');
  expect(firstPage(['operate'])).toBe('/admin/overview');
});
