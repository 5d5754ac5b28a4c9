// The ribbon of tokens: one stop for the Tab key, arrow keys within, and below it what is known of the token.
let current = -1; // stays in view while the ribbon is drawn anew
/** @param {string} tag @param {string} text @param {Node[]} inside */
const made = (tag, text = '', ...inside) => { const node = document.createElement(tag); node.textContent = text; node.append(...inside); return node; };

/** @param {string} title @param {[string, number][]} candidates */
function list(title, candidates) {
  const items = candidates.map(([text, logprob]) => {
    const item = made('li');
    const bar = made('i');
    bar.style.width = `${100 * Math.exp(logprob)}%`;
    item.append(made('span', JSON.stringify(text).slice(1, -1)), bar, made('b', `${(100 * Math.exp(logprob)).toFixed(1)} %`));
    return item;
  });
  return made('section', '', made('h4', title), made('ol', '', ...items));
}

/** @param {Found | null} button */
function show(button) {
  const root = element.querySelector('.ribbon');
  if (!root || !button) return;
  current = Number(button.dataset.at);
  const one = JSON.parse(root.dataset.told)[Number(button.dataset.at)];
  for (const other of root.querySelectorAll('.token')) {
    other.tabIndex = other === button ? 0 : -1;
    other.toggleAttribute('data-current', other === button);
  }
  const numbers = [`log p ${one.logprob}, base ${one.base} nats`, `KL ${one.kl} nats`];
  if (one.values.length) numbers.push(`value ${one.values[0]} before, ${one.values[1]} after`);
  const lists = one.likely.length ? [list('steered, likeliest', one.likely), list('base, likeliest', one.base_likely)] : [];
  root.querySelector('.told').replaceChildren(made('p', '', made('strong', one.text), made('span', numbers.join(' · '))), ...lists);
}

element.addEventListener('pointerover', /** @param {Heard} event */ ({ target }) => show(target.closest('.token')));
element.addEventListener('focusin', /** @param {Heard} event */ ({ target }) => show(target.closest('.token')));
element.addEventListener('keydown', /** @param {Key} key */ (key) => {
  const button = key.target.closest('.token');
  if (!button) return;
  /** @type {Record<string, Element>} */
  const places = {
    ArrowRight: button.nextElementSibling, ArrowLeft: button.previousElementSibling,
    Home: button.parentElement.firstElementChild, End: button.parentElement.lastElementChild,
  };
  const next = /** @type {Found | undefined} */ (places[key.key]);
  if (!next) return;
  key.preventDefault();
  next.focus();
});
watch('value', () => show(element.querySelector(`.token[data-at="${current}"]`)));
