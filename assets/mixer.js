// Further axes, each with a slider for alpha and a number for control. The value lists those that are not at 0.
const root = element.querySelector('.mixer');
let frame = 0;

const rows = () => [...root.querySelectorAll('.mixed')];
/** @typedef {{ alpha: number, control: number }} Both */
/** @param {string} name */
const of = (name) => (props.value ?? []).find((/** @type {{ axis: string }} */ one) => one.axis === name) ?? { axis: name, alpha: 0, control: 0 };
/** @param {string} tag @param {Record<string, unknown>} settings @param {(Node | string)[]} inside */
const made = (tag, settings, ...inside) => { const node = Object.assign(/** @type {Found} */ (document.createElement(tag)), settings); node.append(...inside); return node; };

// What a row says, apart from what stands in its boxes: half a number is none.
/** @param {Found} row @returns {Both} */
const strengths = (row) => ({ alpha: Number(row.dataset.alpha), control: Number(row.dataset.control) });

/** @param {Found} row @param {Both} strengths */
function draw(row, { alpha, control }) {
  Object.assign(row.dataset, { alpha, control });
  row.querySelector('[type=range]').value = String(alpha);
  for (const name of ['alpha', 'control']) {
    const field = row.querySelector(`.${name}`);
    if (document.activeElement !== field) field.back?.();
  }
}

/** @param {Found} row @param {'alpha' | 'control'} name @param {string} label @param {HTMLElement} words */
function box(row, name, label, words) {
  const input = made('input', { type: 'text', autocomplete: 'off', spellcheck: false, className: name });
  input.setAttribute('role', 'spinbutton');
  input.setAttribute('aria-label', label);
  input.back = numberField(input, words, {
    bounds: () => props.bounds,
    last: () => strengths(row)[name],
    show: String,
    step: 0.05,
    take: (value) => { draw(row, { ...strengths(row), [name]: value }); tell('release'); },
  }).back;
  return input;
}

function build() {
  root.replaceChildren(...(props.axes ?? []).map((/** @type {Record<string, string>} */ { name, negative, positive }) => {
    const row = made('div', { className: 'mixed' });
    row.dataset.axis = name;
    const range = made('input', { type: 'range', min: LOW, max: HIGH, step: 0.05 });
    range.setAttribute('aria-label', `alpha of ${name}, from ${negative} to ${positive}`);
    const words = made('p', { className: 'refused', hidden: true });
    words.setAttribute('role', 'alert');
    const poles = made('span', { className: 'dial-poles' }, made('span', {}, negative), made('span', {}, positive));
    const control = made('label', {}, 'control ', box(row, 'control', `control of ${name}`, words));
    row.append(made('span', { className: 'name' }, name), range, box(row, 'alpha', `alpha of ${name}, any number`, words), poles, control, words);
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
    .filter(({ alpha, control }) => alpha || control);
  if (JSON.stringify(value) === JSON.stringify(props.value ?? [])) return;
  props.value = value;
  trigger(event);
}

root.addEventListener('input', /** @param {Heard} event */ ({ target }) => {
  if (target.type !== 'range') return;
  const row = target.closest('.mixed');
  draw(row, { ...strengths(row), alpha: snapped(Number(target.value)) });
  if (!frame) frame = requestAnimationFrame(() => tell('input'));
});
root.addEventListener('change', /** @param {Heard} event */ ({ target }) => { if (target.type === 'range') tell('release'); });
root.addEventListener('dblclick', /** @param {Heard} event */ ({ target }) => {
  if (target.type !== 'range') return;
  const row = target.closest('.mixed');
  draw(row, { ...strengths(row), alpha: 0 });
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
