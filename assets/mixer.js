// Further axes, each with a slider for alpha and a number for control. The value lists those that are not at 0.
const root = element.querySelector('.mixer');
const LOW = -1, HIGH = 3;
let frame = 0;

const of = (name) => (props.value ?? []).find((one) => one.axis === name) ?? { axis: name, alpha: 0, control: 0 };
const made = (tag, settings, ...inside) => { const node = Object.assign(document.createElement(tag), settings); node.append(...inside); return node; };

// What a row says, apart from what stands in its boxes: half a number is none.
const strengths = (row) => ({ alpha: Number(row.dataset.alpha), control: Number(row.dataset.control) });

function draw(row, { alpha, control }) {
  Object.assign(row.dataset, { alpha, control });
  row.querySelector('[type=range]').value = alpha;
  for (const name of ['alpha', 'control']) {
    const field = row.querySelector(`.${name}`);
    if (document.activeElement !== field) field.back?.();
  }
}

function field(row, name, label, words) {
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
  root.replaceChildren(...(props.axes ?? []).map(({ name, negative, positive }) => {
    const row = made('div', { className: 'mixed' });
    row.dataset.axis = name;
    const range = made('input', { type: 'range', min: LOW, max: HIGH, step: 0.05 });
    range.setAttribute('aria-label', `alpha of ${name}, from ${negative} to ${positive}`);
    const words = made('p', { className: 'refused', hidden: true });
    words.setAttribute('role', 'alert');
    const poles = made('span', { className: 'dial-poles' }, made('span', {}, negative), made('span', {}, positive));
    const control = made('label', {}, 'control ', field(row, 'control', `control of ${name}`, words));
    row.append(made('span', { className: 'name' }, name), range, field(row, 'alpha', `alpha of ${name}, any number`, words), poles, control, words);
    draw(row, of(name));
    return row;
  }));
}

function tell(event) {
  cancelAnimationFrame(frame);
  frame = 0;
  const value = [...root.children]
    .map((row) => ({ ...of(row.dataset.axis), ...strengths(row) }))
    .filter(({ alpha, control }) => alpha || control);
  if (JSON.stringify(value) === JSON.stringify(props.value ?? [])) return;
  props.value = value;
  trigger(event);
}

root.addEventListener('input', ({ target }) => {
  if (target.type !== 'range') return;
  const row = target.closest('.mixed');
  draw(row, { ...strengths(row), alpha: [0, 1].find((home) => Math.abs(target.value - home) < 0.03) ?? Number(target.value) });
  if (!frame) frame = requestAnimationFrame(() => tell('input'));
});
root.addEventListener('change', ({ target }) => { if (target.type === 'range') tell('release'); });
root.addEventListener('dblclick', ({ target }) => {
  if (target.type !== 'range') return;
  const row = target.closest('.mixed');
  draw(row, { ...strengths(row), alpha: 0 });
  tell('release');
});
watch(['value', 'axes'], () => {
  const shown = [...root.children].map((row) => row.dataset.axis).join();
  if (shown !== (props.axes ?? []).map(({ name }) => name).join()) { build(); return; }
  for (const row of root.children) if (!row.contains(document.activeElement)) draw(row, of(row.dataset.axis));
  if ((props.value ?? []).length) root.closest('details').open = true;
});
build();
if ((props.value ?? []).length) root.closest('details').open = true;
