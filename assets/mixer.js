// Further axes, each with a slider for alpha and a number for control. The value lists those that are not at 0.
const root = element.querySelector('.mixer');
const LOW = -1, HIGH = 3;
let frame = 0;

const of = (name) => (props.value ?? []).find((one) => one.axis === name) ?? { axis: name, alpha: 0, control: 0 };
const made = (tag, settings, ...inside) => { const node = Object.assign(document.createElement(tag), settings); node.append(...inside); return node; };

function build() {
  root.replaceChildren(...(props.axes ?? []).map(({ name, negative, positive }) => {
    const now = of(name);
    const row = made('div', { className: 'mixed' });
    row.dataset.axis = name;
    const range = made('input', { type: 'range', min: LOW, max: HIGH, step: 0.05, value: now.alpha });
    range.setAttribute('aria-label', `alpha of ${name}, from ${negative} to ${positive}`);
    const alpha = made('input', { type: 'number', step: 0.05, value: now.alpha, className: 'alpha' });
    alpha.setAttribute('aria-label', `alpha of ${name}, any number`);
    const control = made('input', { type: 'number', step: 0.05, value: now.control, className: 'control' });
    control.setAttribute('aria-label', `control of ${name}`);
    const poles = made('span', { className: 'dial-poles' }, made('span', {}, negative), made('span', {}, positive));
    row.append(made('span', { className: 'name' }, name), range, alpha, poles, made('label', {}, 'control ', control));
    return row;
  }));
}

function tell(event) {
  cancelAnimationFrame(frame);
  frame = 0;
  const read = (row, what) => Number(row.querySelector(what).value) || 0;
  const value = [...root.children]
    .map((row) => ({ ...of(row.dataset.axis), alpha: read(row, '.alpha'), control: read(row, '.control') }))
    .filter(({ alpha, control }) => alpha || control);
  if (JSON.stringify(value) === JSON.stringify(props.value ?? [])) return;
  props.value = value;
  trigger(event);
}

root.addEventListener('input', ({ target }) => {
  const row = target.closest('.mixed');
  if (target.type === 'range') {
    const near = [0, 1].find((home) => Math.abs(target.value - home) < 0.03);
    row.querySelector('.alpha').value = near ?? target.value;
    if (!frame) frame = requestAnimationFrame(() => tell('input'));
  } else if (target.className === 'alpha') row.querySelector('[type=range]').value = target.value;
});
root.addEventListener('change', () => tell('release'));
root.addEventListener('dblclick', ({ target }) => {
  if (target.type !== 'range') return;
  target.value = target.closest('.mixed').querySelector('.alpha').value = 0;
  tell('release');
});
watch(['value', 'axes'], () => {
  const shown = [...root.children].map((row) => row.dataset.axis).join();
  if (shown !== (props.axes ?? []).map(({ name }) => name).join()) { build(); return; }
  for (const row of root.children) {
    if (row.contains(document.activeElement)) continue;
    const { alpha, control } = of(row.dataset.axis);
    row.querySelector('[type=range]').value = row.querySelector('.alpha').value = alpha;
    row.querySelector('.control').value = control;
  }
});
build();
