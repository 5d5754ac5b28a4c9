// The settings that the Play page shows, as the query of a link.
(() => {
  const { sliders, shared: { always: ALWAYS, maybe, described } } = window.playground; // from the settings themselves
  const MAYBE = maybe.filter((/** @type {string} */ name) => name !== 'method'); // its menu shows another word than it means
  const changed = new Set(); // controls by id

  // The settings of a link, as the page's controls now show them; what nobody touched may stay untold.
  /** @param {string} query */
  function asShown(query) {
    const told = new URLSearchParams(query);
    for (const name of [...ALWAYS, ...MAYBE]) {
      const shown = document.querySelector(`#${name} textarea, #${name} input:not([type=range])`);
      if (!shown || !(ALWAYS.includes(name) || told.has(name) || changed.has(name))) continue;
      const text = shown.dataset.value ?? shown.value; // a number box that refused what was typed keeps its number
      const value = name === 'axis' && text === described.label ? sentences() || told.get(name) || '' : text;
      if (!told.get(name) || Number(told.get(name)) !== Number(value)) told.set(name, value);
    }
    if (changed.has('mixer')) told.set('more', mixed());
    return told.toString();
  }
  window.asShown = asShown;

  // The name of an axis of two sentences, which stand in boxes of their own; empty while one is missing.
  function sentences() {
    const [positive, negative] = ['positive', 'negative'].map((id) => document.querySelector(`#${id} textarea, #${id} input`)?.value.trim());
    return positive && negative ? positive + described.between + negative : '';
  }

  function mixed() {
    const rows = [...document.querySelectorAll('.mixed')].map((row) => [
      encodeURIComponent(row.dataset.axis), ...sliders.map((/** @type {string} */ name) => Number(row.dataset[name])),
    ]);
    return rows.filter(([, ...strengths]) => strengths.some(Boolean)).join(';');
  }

  document.addEventListener('input', /** @param {Heard} event */ ({ target }) => {
    for (const name of [...MAYBE, 'mixer']) if (target.closest?.(`#${name}`)) changed.add(name);
  }, true);
})();
