// The settings that the Play page shows, as the query of a link.
(() => {
  const { sliders, shared: { always: ALWAYS, maybe } } = window.playground; // from the settings themselves
  const MAYBE = [...maybe.filter((/** @type {string} */ name) => name !== 'method'), 'side_by_side']; // a menu shows another word than it means
  const changed = new Set(); // controls by id

  // The settings of a link, as the page's controls now show them; what nobody touched may stay untold.
  /** @param {string} query */
  function asShown(query) {
    const told = new URLSearchParams(query);
    for (const name of [...ALWAYS, ...MAYBE]) {
      const shown = document.querySelector(`#${name} textarea, #${name} input:not([type=range])`);
      if (!shown || !(ALWAYS.includes(name) || told.has(name) || changed.has(name))) continue;
      const value = shown.dataset.value ?? shown.value; // a number box that refused what was typed keeps its number
      if (!told.get(name) || Number(told.get(name)) !== Number(value)) told.set(name, value);
    }
    if (changed.has('mixer')) told.set('more', mixed());
    return told.toString();
  }
  window.asShown = asShown;

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
