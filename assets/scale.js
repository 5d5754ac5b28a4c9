// The scale of every dial: how far it goes, and what it snaps to.
const { low: LOW, high: HIGH, step: STEP, leap: LEAP, homes: HOMES, snap: SNAP } = window.playground.dial;

/** The home that a number is near to, or the number itself. @param {number} x */
const snapped = (x) => HOMES.find((home) => Math.abs(x - home) < SNAP) ?? x;

/** To two decimals. @param {number} x */
const rounded = (x) => Math.round(x * 100) / 100;

/** Where a number lies on the scale, from 0 to 1; beyond its ends, at the end. @param {number} x */
const share = (x) => (Math.min(Math.max(x, LOW), HIGH) - LOW) / (HIGH - LOW);

/** As a number box writes it: with two decimals, or with all that it has. @param {number} x */
const shown = (x) => (Math.abs(x * 100 - Math.round(x * 100)) < 1e-6 ? x.toFixed(2) : String(x));
