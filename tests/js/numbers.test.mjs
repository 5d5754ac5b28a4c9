// How a number box reads what is typed, and what it does with it.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { declared } from './scripts.mjs';

const { readNumber, numberField } = declared(['numbers.js'], 'readNumber', 'numberField');
const read = (typed, bounds = {}) => readNumber(typed, bounds);

const TYPED = [
  ['0.5', 0.5], ['0,5', 0.5], [' 2 ', 2], ['+3', 3], ['.25', 0.25], ['5.', 5], ['1e3', 1000], ['\u22121', -1],
  ['\u20131.5', -1.5], ['\uff11', 1], ['1234,5', 1234.5], ['0,125', 0.125], ['1.000', 1],
];
for (const [typed, value] of TYPED) test(`${typed} is ${value}`, () => assert.deepEqual(read(typed), { value }));

test('no zero is negative', () => assert.ok(Object.is(read('-0').value, 0)));

for (const typed of ['', ' ', 'one', '1.2.3', '1,2,3', '1 000', '--1', 'NaN', 'Infinity', '0x10', '1e', '1,000']) {
  test(`"${typed}" is refused in words`, () => {
    const { value, why } = read(typed);
    assert.equal(value, undefined);
    assert.match(why, /\.$/);
  });
}

test('what may mean two numbers names both', () => {
  assert.match(read('1,000').why, /as 1000 or as 1\./);
  assert.match(read('1.000', { whole: true }).why, /as 1000 or as 1\./);
});

test('an empty box may be none where a number is optional', () => {
  assert.deepEqual(read('', { optional: true }), { value: null });
});

test('bounds hold at their very ends', () => {
  assert.deepEqual(read('0', { least: 0 }), { value: 0 });
  assert.match(read('-0.01', { least: 0 }).why, /at least 0/);
  assert.match(read('-1', { least: 0 }).why, /−1 is too small/);
  assert.match(read('0', { above: 0 }).why, /above 0/);
  assert.deepEqual(read('2', { most: 2 }), { value: 2 });
  assert.match(read('2.1', { most: 2 }).why, /at most 2/);
  assert.match(read('1.5', { whole: true }).why, /not a whole number/);
  assert.match(read('9007199254740993', { whole: true }).why, /too large/);
});

test('whatever a box shows it reads again', () => {
  for (let number = -3; number <= 3; number += 0.01) {
    const value = Math.round(number * 100) / 100 || 0;
    assert.deepEqual(read(String(value)), { value });
  }
});

/** A number box in a page that is nothing but that box. */
function box(value, bounds = {}) {
  const field = Object.assign(new EventTarget(), { value: '', attributes: {} });
  field.setAttribute = (name, text) => { field.attributes[name] = text; };
  const words = { hidden: true, textContent: '' }, taken = [];
  let last = value;
  const { back } = numberField(field, words, {
    bounds: () => bounds,
    last: () => last,
    show: (x) => (x === null ? '' : String(x)),
    take: (x) => { last = x; taken.push(x); },
    step: 0.05,
  });
  back();
  const press = (key, more = {}) => field.dispatchEvent(Object.assign(new Event('keydown', { cancelable: true }), { key, ...more }));
  return { field, words, taken, press };
}

test('Enter takes what was typed', () => {
  const { field, taken, press, words } = box(1);
  field.value = '0,5';
  press('Enter');
  assert.deepEqual(taken, [0.5]);
  assert.equal(field.value, '0.5');
  assert.ok(words.hidden);
});

test('an Enter that ends a composed word takes nothing', () => {
  const { field, taken, press } = box(1);
  field.value = '2';
  press('Enter', { isComposing: true });
  assert.deepEqual(taken, []);
});

test('what is refused stays typed, and the last number stays', () => {
  const { field, taken, words } = box(1);
  field.value = 'much';
  field.dispatchEvent(new Event('change'));
  assert.deepEqual(taken, []);
  assert.equal(field.value, 'much');
  assert.equal(field.attributes['aria-invalid'], 'true');
  assert.match(words.textContent, /not a number.*It stays 1\./);
});

test('Escape brings the last number back', () => {
  const { field, press, words } = box(1);
  field.value = 'much';
  press('Enter');
  press('Escape');
  assert.equal(field.value, '1');
  assert.ok(words.hidden);
});

test('arrows step from what is typed, or from the last number, without rounding dust', () => {
  const { field, taken, press } = box(0.1);
  press('ArrowUp');
  press('ArrowUp');
  assert.deepEqual(taken, [0.15, 0.2]);
  field.value = 'much';
  press('ArrowDown');
  assert.deepEqual(taken, [0.15, 0.2, 0.15]);
});

test('a keypad without a minus sign is only given where no number is below 0', () => {
  assert.equal(box(1, { least: 0, whole: true }).field.inputMode, 'numeric');
  assert.equal(box(1, { least: 0 }).field.inputMode, 'decimal');
  assert.equal(box(1).field.inputMode, 'text');
});
