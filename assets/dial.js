// The strength dial. `input` fires as it moves, at most once a frame; `release` when it is let go: pointer up, a key,
// Enter in the number box or leaving it. Double click and the key 0 go to 0; the keys , and . step to the nearest change.
/** @param {string} selector */
const find = (selector) => element.querySelector(selector);
const range = find('input[type=range]'), number = find('.dial-number');
let at = Number(props.value) || 0, told = at, frame = 0, held = false;

function draw() {
  range.value = String(at);
  number.dataset.value = String(at);
  number.setAttribute('aria-valuenow', String(at));
  if (document.activeElement !== number) box.back();
  const side = at > 0 ? 'positive' : at < 0 ? 'negative' : 'neutral';
  const pole = at > 0 ? props.positive : at < 0 ? props.negative : 'off';
  const beyond = at < props.safe[0] || at > props.safe[1];
  range.setAttribute('aria-valuetext', [String(at), pole, beyond && 'outside the tested range'].filter(Boolean).join(', '));
  const root = find('.dial');
  root.dataset.side = side;
  root.dataset.beyond = String(beyond);
  root.style.setProperty('--from', String(share(Math.min(at, 0))));
  root.style.setProperty('--to', String(share(Math.max(at, 0))));
  // The line over the curve follows at once, without asking the server.
  if (props.name !== window.playground.main) return;
  document.body.style.setProperty('--strength', String(share(at)));
  document.body.style.setProperty('--strength-hue', `var(--${{ positive: 'toward', negative: 'away', neutral: 'plain' }[side]})`);
}

Object.assign(range, { min: LOW, max: HIGH });
for (let whole = Math.ceil(LOW); whole <= HIGH; whole += 1) {
  const mark = document.createElement('i');
  mark.className = HOMES.includes(whole) ? 'home' : '';
  mark.textContent = String(whole).replace('-', '−');
  find('.dial-marks').append(mark);
}

// Where the reply holds, as a band, and every change seen so far, as a tick.
function drawChanges() {
  const marks = find('.dial-changes');
  const [low, high] = props.holds ?? [0, 0];
  const band = document.createElement('b');
  band.style.left = `${100 * share(low ?? LOW)}%`;
  band.style.width = `${100 * (share(high ?? HIGH) - share(low ?? LOW))}%`;
  const ticks = (props.changes ?? []).map((/** @type {number} */ strength) => {
    const tick = document.createElement('i');
    tick.style.left = `${100 * share(strength)}%`;
    return tick;
  });
  marks.replaceChildren(...(props.holds ? [band] : []), ...ticks);
}

function describe() {
  find('.dial-name').textContent = props.name;
  range.setAttribute('aria-label', props.name);
  number.setAttribute('aria-label', `${props.name}, any number`);
  find('.dial-name').dataset.tip = props.hint;
  find('.dial-name').setAttribute('aria-label', `${props.name}: ${props.hint}`);
  if (props.steps) range.setAttribute('aria-keyshortcuts', ', . 0');
  const [left, right] = find('.dial-poles').children;
  left.textContent = props.negative;
  right.textContent = props.positive;
  range.disabled = number.disabled = !props.enabled;
  find('.dial').classList.toggle('off', !props.enabled);
  find('.dial-beyond.low').style.width = `${100 * share(props.safe[0])}%`;
  find('.dial-beyond.high').style.width = `${100 * (1 - share(props.safe[1]))}%`;
  drawChanges();
}

// Half a number is none: what is typed counts from Enter, or when the box is left.
const box = numberField(number, find('.refused'), {
  bounds: () => props.bounds,
  last: () => at,
  show: shown,
  step: STEP,
  take: (value) => { if (value !== at) { at = value; draw(); tell('release'); } },
});

/** @param {string} event */
function tell(event) {
  cancelAnimationFrame(frame);
  frame = 0;
  if (at === told) return;
  told = at;
  props.value = at;
  trigger(event);
}

/** @param {number} x */
function move(x, event = 'input') {
  at = x;
  draw();
  if (!frame) frame = requestAnimationFrame(() => tell(event));
}

range.addEventListener('pointerdown', () => { held = true; });
for (const end of ['pointerup', 'pointercancel']) range.addEventListener(end, () => { held = false; });
range.addEventListener('input', () => move(rounded(snapped(Number(range.value)))));
range.addEventListener('change', () => tell('release'));
range.addEventListener('dblclick', () => { move(0); tell('release'); });
range.addEventListener('keydown', /** @param {Key} key */ (key) => {
  if (key.ctrlKey || key.altKey || key.metaKey) return;
  const step = key.shiftKey ? LEAP : STEP;
  const [before, after] = props.steps ?? [null, null];
  /** @type {Record<string, number | null>} */
  const strengths = {
    ArrowRight: at + step, ArrowUp: at + step, ArrowLeft: at - step, ArrowDown: at - step,
    PageUp: at + LEAP, PageDown: at - LEAP, Home: LOW, End: HIGH, 0: 0, ',': before, '.': after,
  };
  const go = strengths[key.key];
  if (go === undefined) return;
  key.preventDefault();
  if (go === null) return;
  const exact = key.key === ',' || key.key === '.';
  move(exact ? go : rounded(Math.min(Math.max(go, Math.min(LOW, at)), Math.max(HIGH, at))), 'release');
});

// What else chooses a strength, a card of the strip or a button, moves the dial too: of two choices the later one counts.
if (props.name === window.playground.main) {
  document.addEventListener('strength', /** @param {CustomEvent<number | null>} event */ ({ detail }) => {
    if (detail !== null) move(detail, 'release');
  });
  document.addEventListener('click', /** @param {Heard} event */ ({ target }) => {
    const go = props.steps?.[['previous', 'next'].indexOf(target.closest?.('button')?.id ?? '')];
    if (typeof go === 'number') move(go, 'release');
  });
}

watch(['value', 'negative', 'positive', 'safe', 'enabled'], () => {
  // A value set from elsewhere is where the dial now rests; it is not announced back. A hand on it goes before.
  if (Number(props.value) !== told && !held) { at = told = Number(props.value); cancelAnimationFrame(frame); frame = 0; }
  describe();
  draw();
});
watch(['holds', 'changes', 'steps'], drawChanges);
describe();
draw();
