// The ribbon of tokens: one stop for the Tab key, arrow keys within, and below it what is known of the token.
let current = -1; // stays in view while the ribbon is drawn anew
const made = (tag, text = '', ...inside) => { const node = document.createElement(tag); node.textContent = text; node.append(...inside); return node; };

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
  if (one.values.length) numbers.push(`value ${one.values[0]} before control, ${one.values[1]} after`);
  const lists = one.likely.length ? [list('steered, likeliest', one.likely), list('base, likeliest', one.base_likely)] : [];
  root.querySelector('.told').replaceChildren(made('p', '', made('strong', one.text), made('span', numbers.join(' · '))), ...lists);
}

element.addEventListener('pointerover', ({ target }) => show(target.closest('.token')));
element.addEventListener('focusin', ({ target }) => show(target.closest('.token')));
element.addEventListener('keydown', (key) => {
  const button = key.target.closest('.token');
  const go = { ArrowRight: 'nextElementSibling', ArrowLeft: 'previousElementSibling' }[key.key];
  const next = go ? button?.[go] : { Home: button?.parentElement.firstElementChild, End: button?.parentElement.lastElementChild }[key.key];
  if (!button || !next) return;
  key.preventDefault();
  next.focus();
});
watch('value', () => show(element.querySelector(`.token[data-at="${current}"]`)));
