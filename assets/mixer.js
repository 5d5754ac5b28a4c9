// Further axes, each with a range for the first slider and a number for every one. The value lists those that are not at 0.
const root = element.querySelector('.mixer');
let frame = 0;

const rows = () => [...root.querySelectorAll('.mixed')];
const { sliders, main } = window.playground;
/** @typedef {Record<string, number>} Amounts */
/** @param {(name: string) => number} amount @returns {Amounts} */
const each = (amount) => Object.fromEntries(sliders.map((name) => [name, amount(name)]));
/** @param {string} name */
const of = (name) => (props.value ?? []).find((/** @type {{ axis: string }} */ one) => one.axis === name) ?? { axis: name, ...each(() => 0) };
/** @param {string} tag @param {Record<string, unknown>} settings @param {(Node | string)[]} inside */
const made = (tag, settings, ...inside) => { const node = Object.assign(/** @type {Found} */ (document.createElement(tag)), settings); node.append(...inside); return node; };

// What a row says, apart from what stands in its boxes: half a number is none.
/** @param {Found} row */
const strengths = (row) => each((name) => Number(row.dataset[name]));

/** @param {Found} row @param {Amounts} amounts */
function draw(row, amounts) {
  for (const name of sliders) row.dataset[name] = String(amounts[name]);
  row.querySelector('[type=range]').value = String(amounts[main]);
  for (const name of sliders) {
    const field = row.querySelector(`.${name}`);
    if (document.activeElement !== field) field.back?.();
  }
}

/** @param {Found} row @param {string} name @param {string} label @param {HTMLElement} words */
function box(row, name, label, words) {
  const input = made('input', { type: 'text', autocomplete: 'off', spellcheck: false, className: name });
  input.setAttribute('role', 'spinbutton');
  input.setAttribute('aria-label', label);
  input.back = numberField(input, words, {
    bounds: () => props.bounds,
    last: () => strengths(row)[name],
    show: String,
    step: STEP,
    take: (value) => { draw(row, { ...strengths(row), [name]: value }); tell('release'); },
  }).back;
  return input;
}

function build() {
  root.replaceChildren(...(props.axes ?? []).map((/** @type {Record<string, string>} */ { name, negative, positive }) => {
    const row = made('div', { className: 'mixed' });
    row.dataset.axis = name;
    const range = made('input', { type: 'range', min: LOW, max: HIGH, step: STEP });
    range.setAttribute('aria-label', `${main} of ${name}, from ${negative} to ${positive}`);
    const words = made('p', { className: 'refused', hidden: true });
    words.setAttribute('role', 'alert');
    const poles = made('span', { className: 'dial-poles' }, made('span', {}, negative), made('span', {}, positive));
    const others = sliders.filter((one) => one !== main).map((one) => made('label', {}, `${one} `, box(row, one, `${one} of ${name}`, words)));
    row.append(made('span', { className: 'name' }, name), range, box(row, main, `${main} of ${name}, any number`, words), poles, ...others, words);
    draw(row, of(name));
    return row;
  }));
}

/** @param {string} event */
function tell(event) {
  cancelAnimationFrame(frame);
  frame = 0;
  const value = rows()
    .map((row) => ({ ...of(row.dataset.axis), ...strengths(row) }))
    .filter((one) => sliders.some((name) => one[name]));
  if (JSON.stringify(value) === JSON.stringify(props.value ?? [])) return;
  props.value = value;
  trigger(event);
}

root.addEventListener('input', /** @param {Heard} event */ ({ target }) => {
  if (target.type !== 'range') return;
  const row = target.closest('.mixed');
  draw(row, { ...strengths(row), [main]: snapped(Number(target.value)) });
  if (!frame) frame = requestAnimationFrame(() => tell('input'));
});
root.addEventListener('change', /** @param {Heard} event */ ({ target }) => { if (target.type === 'range') tell('release'); });
root.addEventListener('dblclick', /** @param {Heard} event */ ({ target }) => {
  if (target.type !== 'range') return;
  const row = target.closest('.mixed');
  draw(row, { ...strengths(row), [main]: 0 });
  tell('release');
});
watch(['value', 'axes'], () => {
  const shown = rows().map((row) => row.dataset.axis).join();
  if (shown !== (props.axes ?? []).map((/** @type {{ name: string }} */ { name }) => name).join()) { build(); return; }
  for (const row of rows()) if (!row.contains(document.activeElement)) draw(row, of(row.dataset.axis));
  if ((props.value ?? []).length) root.closest('details').open = true;
});
build();
if ((props.value ?? []).length) root.closest('details').open = true;
