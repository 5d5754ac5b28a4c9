// The scale of the dials.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { declared } from './scripts.mjs';

globalThis.window = { playground: { dial: { low: -1, high: 3, step: 0.05, leap: 0.25, homes: [0, 1], snap: 0.03 } } };

const { LOW, HIGH, SNAP, snapped, rounded, share, shown } = declared(
  ['scale.js'], 'LOW', 'HIGH', 'SNAP', 'snapped', 'rounded', 'share', 'shown',
);

test('share goes from 0 to 1, evenly, and no further', () => {
  assert.deepEqual([LOW, 0, 1, HIGH].map(share), [0, 0.25, 0.5, 1]);
  assert.deepEqual([LOW - 9, HIGH + 9, -Infinity, Infinity].map(share), [0, 1, 0, 1]);
});

test('near 0 and 1 a dial is there exactly, elsewhere where it was put', () => {
  for (const home of [0, 1]) {
    for (const near of [-0.99, -0.5, 0, 0.5, 0.99]) assert.equal(snapped(home + near * SNAP), home);
    for (const far of [-1.01, 1.01]) assert.equal(snapped(home + far * SNAP), home + far * SNAP);
  }
  for (const x of [-1, 0.5, 2, 3]) assert.equal(snapped(x), x);
});

test('rounded keeps two decimals', () => {
  assert.deepEqual([0.1 + 0.2, -0.456, 1, 0.004].map(rounded), [0.3, -0.46, 1, 0]);
});

test('a strength is written with two decimals, a finer one in full', () => {
  assert.deepEqual([0, 1, -0.5, 0.29, 0.58, 10000].map(shown), ['0.00', '1.00', '-0.50', '0.29', '0.58', '10000.00']);
  assert.deepEqual([0.123, -1.0625].map(shown), ['0.123', '-1.0625']);
});
