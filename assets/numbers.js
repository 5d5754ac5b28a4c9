// How every number box reads what is typed: a point or a single comma is the decimal sign. What could be read in two
// ways, or lies out of bounds, is refused in words; then the box keeps what was typed and the last number stays.
/** @param {number} x */
const written = (x) => String(x).replace('-', '−');

/** @param {string} typed @param {Bounds} bounds @returns {Read} */
function readNumber(typed, { least = null, most = null, above = null, whole = false, optional = false }) {
  const text = typed.normalize('NFKC').replace(/[\u2212\u2010-\u2013]/g, '-').trim();
  /** @param {string} why @returns {Read} */
  const refused = (why) => ({ why });
  if (!text) return optional ? { value: null } : refused('A number is missing.');
  const thousands = whole ? /^[+-]?\d{1,3}[.,]\d{3}$/ : /^[+-]?[1-9]\d{0,2},\d{3}$/;
  if (thousands.test(text)) {
    const plain = text.replace(/[.,]/, ''), decimal = text.replace(',', '.');
    return refused(`“${typed}” can be read as ${written(Number(plain))} or as ${written(Number(decimal))}. Type one of them.`);
  }
  if (!/^[+-]?(\d+([.,]\d*)?|[.,]\d+)(e[+-]?\d+)?$/i.test(text)) {
    return refused(/^[+-]?[\d.,' ]+$/.test(text) ? `“${typed}” has too many separators. Type a number such as 1000.5.` : `“${typed}” is not a number.`);
  }
  const value = Number(text.replace(',', '.'));
  if (whole && !Number.isInteger(value)) return refused(`“${typed}” is not a whole number.`);
  const top = whole ? Math.min(most ?? Infinity, Number.MAX_SAFE_INTEGER) : most;
  if (least !== null && value < least) return refused(`${written(value)} is too small: at least ${written(least)}.`);
  if (above !== null && value <= above) return refused(`${written(value)} is too small: it must be above ${written(above)}.`);
  if (top !== null && value > top) return refused(`${written(value)} is too large: at most ${written(top)}.`);
  return { value: value || 0 }; // no negative zero
}

// A text field that reads so. `take` gets each new number; `show` writes one; up and down step from the `last` one.
/** @type {NumberField} */
function numberField(field, words, { bounds, last, show, take, step }) {
  /** @param {string} [why] */
  const say = (why) => {
    field.setAttribute('aria-invalid', String(why !== undefined));
    words.hidden = why === undefined;
    words.textContent = why === undefined ? '' : `${why} ${last() === null ? 'It stays empty.' : `It stays ${written(last())}.`}`;
  };
  const commit = () => {
    const { value, why } = readNumber(field.value, bounds());
    say(why);
    if (why === undefined) { field.value = show(value); take(value); }
  };
  const back = () => { field.value = show(last()); say(); };
  field.addEventListener('change', commit);
  field.addEventListener('keydown', /** @param {Key} key */ (key) => {
    if (key.key === 'Enter' && !key.isComposing) commit();
    else if (key.key === 'Escape') back();
    else if (key.key === 'ArrowUp' || key.key === 'ArrowDown') {
      key.preventDefault();
      const now = readNumber(field.value, bounds()).value ?? last() ?? 0;
      field.value = show(Math.round((now + (key.key === 'ArrowUp' ? step : -step)) * 1e6) / 1e6);
      commit();
    }
  });
  // A keypad without a minus sign is of no use where numbers go below 0.
  const { least, whole } = bounds();
  field.inputMode = (least ?? -1) < 0 ? 'text' : whole ? 'numeric' : 'decimal';
  return { back };
}
