// A number box: `input` fires when another number was given, `submit` with Enter as well.
/** @param {string} selector */
const find = (selector) => element.querySelector(selector);
const field = find('input');
const now = () => (props.value === '' || props.value === undefined ? null : props.value);
/** @param {number | null} x */
const show = (x) => (x === null ? '' : String(x));

const box = numberField(field, find('.refused'), {
  bounds: () => props.bounds,
  last: now,
  show,
  step: props.step,
  take: (value) => {
    if (value === now()) return;
    props.value = value ?? '';
    describe();
    trigger('input');
  },
});
field.addEventListener('keydown', /** @param {Key} key */ (key) => {
  if (key.key === 'Enter' && !key.isComposing && field.getAttribute('aria-invalid') !== 'true') trigger('submit');
});

function describe() {
  find('.name').textContent = props.label;
  find('.info-text').textContent = props.info;
  field.setAttribute('aria-label', props.label);
  field.placeholder = props.placeholder;
  field.dataset.value = now() ?? '';
  field.setAttribute('aria-valuenow', field.dataset.value);
}
watch(['value', 'label'], () => { describe(); if (document.activeElement !== field) box.back(); });
describe();
box.back();
