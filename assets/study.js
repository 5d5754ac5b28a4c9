// A study's page: one screen after the other. It tells the server which button was pressed, when, and whether the page was looked at; the
// server answers with the next page, after it has saved. A form that gets no answer is sent again, with its own key, also
// after the page was loaded anew.
const body = document.getElementById('page');
// Systems wait half a second for the second click of a double click; nobody reads what the first one brought in less.
const DOUBLE_MS = 500;
const RETRY_MS = 10000, LONGEST_PATH = 500, UNSAVED = 'unsaved', TYPED = 'typed';
/** @typedef {Record<string, any>} Form */
/** @type {Record<string, string>} */
const owned = {};
/** @type {{ code?: string, key?: string, token?: string }} */
let page = {};
/** @type {{ name?: string, own?: boolean, address?: string }} */
let person = {};
/** @type {Record<string, string>} */
let words = {};
/** @type {[number, number][]} */
let path = [];
/** @type {number | null} */
let away = null;
/** @type {Form | null} */
let sending = null;
let pressedAt = -DOUBLE_MS, began = 0, hidden = 0, hiddenMs = 0, timer = 0;

/** @param {string} selector */
const find = (selector) => body.querySelector(selector);
/** @param {string} selector */
const all = (selector) => [...body.querySelectorAll(selector)];
const now = () => performance.now();

function begin() {
  clearTimeout(timer);
  const settled = ['questions', 'withdraw'].includes(sending?.action);
  if (sending && sending.action !== 'return') keep(null);
  const root = find('main.study');
  page = JSON.parse(root?.dataset.page ?? '{}');
  person = JSON.parse(root?.dataset.person ?? '{}');
  words = JSON.parse(root?.dataset.words ?? '{}');
  const elsewhere = person.name && !page.code;
  if (person.own) keepOwn(person.name, page.code);
  else if (person.name) page.code = ownCode(person.name) ?? page.code;
  began = now();
  [path, hidden, hiddenMs, sending] = [[], 0, 0, null];
  away = document.hidden ? now() : null;
  remember();
  if (settled) noteTyped(); // in place of what the server has now, or has deleted
  fillIn();
  const slider = find('.sliding + .bar input');
  if (slider) path.push([0, Number(slider.value)]);
  window.scrollTo(0, 0);
  find('h1')?.focus({ preventScroll: true });
  if (elsewhere && page.code) send({ action: 'return' });
  else resume();
}

// What is typed on a page of questions is still there after a way back or a reload, as long as the tab is open.
const typedHere = () => `${page.code} ${page.token}`;
/** @returns {Record<string, string>} */
function typed() {
  const form = /** @type {HTMLFormElement | null} */ (/** @type {unknown} */ (find('form.questions')));
  return form ? Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)])) : {};
}
function noteTyped() {
  try { sessionStorage.setItem(TYPED, JSON.stringify({ here: typedHere(), values: typed() })); } catch { /* not kept */ }
}
function fillIn() {
  /** @type {Record<string, string>} */
  let known = {};
  try {
    const { here, values } = JSON.parse(sessionStorage.getItem(TYPED));
    if (here === typedHere()) known = values;
  } catch { /* nothing kept */ }
  for (const field of all('form.questions [name]')) {
    if (!(field.name in known)) continue;
    if (field.type === 'radio') field.checked = field.value === known[field.name];
    else field.value = known[field.name];
  }
}

// What was pressed before the page was loaded anew and is still asked for.
function resume() {
  const form = kept();
  if (!form || !page.key) return;
  const asked = form.action === 'answer' ? form.token === page.token : find(`[data-action="${form.action}"]`);
  const lost = form.action === 'consent' && person.name && !person.own; // the answer with this browser's own code
  if (lost || (asked && form.code === page.code)) send(form);
  else keep(null);
}

// A browser that may keep nothing throws: then a page loaded anew asks again.
/** @param {Form | null} form */
function keep(form) {
  try { sessionStorage.setItem(UNSAVED, JSON.stringify(form)); } catch { /* not kept */ }
}
/** @returns {Form | null} */
function kept() {
  try { return JSON.parse(sessionStorage.getItem(UNSAVED)); } catch { return null; }
}

// The code that only the browser has in which the person began: it alone deletes, and it finds the way back from an
// address that opens nothing by itself. Where a browser keeps nothing, it lasts as long as the tab.
/** @param {string} name @param {string} code */
function keepOwn(name, code) {
  owned[name] = code;
  history.replaceState({ ...history.state, [`own-${name}`]: code }, '');
  try { localStorage.setItem(`own-${name}`, code); } catch { /* not kept */ }
}
/** @param {string} name */
function ownCode(name) {
  const here = owned[name] ?? history.state?.[`own-${name}`];
  if (here) return here;
  try { return localStorage.getItem(`own-${name}`); } catch { return null; }
}

// Loading the page again goes on where the person was: what the address lacks for that is added.
function remember() {
  const url = new URL(location.href);
  if (!person.address || url.searchParams.get('code') === person.address) return;
  url.searchParams.set('code', person.address);
  history.replaceState(history.state, '', url);
}

/** @param {Form} form */
function send(form) {
  if (sending) return;
  sending = { code: page.code ?? '', key: page.key, token: page.token ?? '', ...form };
  if (form.action !== 'return') keep(sending);
  all('button, input, textarea').forEach((one) => { one.disabled = true; });
  deliver();
}

// A form is the same however often it is sent; the first answer to it counts.
async function deliver() {
  const form = sending;
  tell(words.saving);
  timer = setTimeout(again, RETRY_MS);
  try {
    const got = await fetch(location.href, {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(form),
    });
    if (!got.ok) throw new Error(got.statusText);
    const screen = await got.text();
    if (form !== sending) return;
    body.innerHTML = screen;
    begin();
  } catch {
    if (form === sending) again();
  }
}

function again() {
  clearTimeout(timer);
  tell(words.unsaved, true);
  timer = setTimeout(deliver, 1500);
}

/** @param {string} text */
function tell(text, urgent = false) {
  const line = find('.saving');
  if (!line) return;
  line.textContent = text;
  line.classList.toggle('urgent', urgent);
}

/** @param {Found} button */
function answer(button) {
  if (away !== null) returned();
  const { choice, degree } = button.dataset;
  const slider = find('.sliding + .bar input');
  send({
    action: 'answer',
    answer: {
      choice, path: path.slice(0, LONGEST_PATH), client_ms: now() - began, hidden, hidden_ms: hiddenMs,
      ...(slider ? { option: Number(slider.value) } : { path: [] }), ...(degree ? { degree: Number(degree) } : {}),
    },
  });
}

/** @param {Found} button @param {number} at */
function press(button, at) {
  const { action } = button.dataset;
  const doubled = at - pressedAt < DOUBLE_MS;
  pressedAt = at;
  if (button.disabled || (doubled && action !== 'undo')) return; // a slip is noticed sooner than anything is read
  if (action === 'questions') send({ action, values: typed() });
  else if (action) send({ action });
  else answer(button);
}

function left() { if (away === null) { away = now(); hidden += 1; } }
function returned() { if (away !== null) { hiddenMs += now() - away; away = null; } }

body.addEventListener('click', /** @param {Heard} event */ (event) => {
  const button = event.target.closest('button');
  if (button && body.contains(button)) press(button, event.timeStamp);
});
body.addEventListener('submit', (event) => event.preventDefault());
body.addEventListener('input', /** @param {Heard} event */ (event) => {
  if (event.target.closest('form.questions')) noteTyped();
  if (!event.target.matches('.sliding + .bar input')) return;
  const place = Number(event.target.value);
  all('.sliding p').forEach((text, index) => { text.hidden = index !== place; });
  if (path.length < LONGEST_PATH) path.push([Math.round(now() - began), place]);
  find('.sliding + .bar button').disabled = false;
});
// A digit by its key as well, which is the same one whatever script a keyboard writes.
/** @param {Key} key */
const pressed = ({ key, code }) => /^(?:Digit|Numpad)(\d)$/.exec(code)?.[1] ?? key;
document.addEventListener('keydown', /** @param {Key} event */ (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.target.matches('input, textarea')) return;
  const button = find(`[data-shortcut="${CSS.escape(pressed(event))}"]`);
  if (!button || sending) return;
  event.preventDefault();
  press(button, event.timeStamp);
});
document.addEventListener('visibilitychange', () => (document.hidden ? left() : returned()));
window.addEventListener('blur', left);
window.addEventListener('focus', returned);
begin();
