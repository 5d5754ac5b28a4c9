// The replies behind a point: chosen by a button here or by a click on its mark in a chart. What was chosen stays chosen
// while new replies come in; pointing at another mark shows that one's for as long as the pointer rests there.
/** @type {string | null} */
let chosen = null;

/** @param {string | number} place */
function show(place) {
  if (!element.querySelector(`button[data-place="${place}"]`)) return;
  for (const button of element.querySelectorAll('button[data-place]')) button.setAttribute('aria-pressed', String(button.dataset.place === String(place)));
  for (const list of element.querySelectorAll('.replies')) list.hidden = list.dataset.place !== String(place);
}

/** @param {string | number} place */
function choose(place) {
  chosen = String(place);
  show(chosen);
  const list = element.querySelector('.scroll');
  if (list) list.scrollTop = 0;
}

element.addEventListener('click', /** @param {Heard} event */ (event) => {
  const button = event.target.closest('button[data-place]');
  if (button) choose(button.dataset.place);
});
new MutationObserver(() => {
  const pressed = element.querySelector('button[aria-pressed=true]');
  chosen = pressed ? (chosen ?? pressed.dataset.place) : null;
  if (chosen !== null && pressed?.dataset.place !== chosen) show(chosen);
}).observe(element, { childList: true, subtree: true });

// A chart is made anew with each payload; each new one is listened to. A mark's customdata begins with its point's place.
function listen() {
  for (const chart of document.querySelectorAll('#charts .js-plotly-plot')) {
    if (chart.dataset.heard || !chart.on) continue;
    chart.dataset.heard = 'true';
    /** @param {{ points: { customdata?: any[] }[] }} event */
    const place = ({ points }) => points.map(({ customdata }) => customdata).find((data) => data?.length > 2)?.[0];
    chart.on('plotly_click', (event) => {
      if (place(event) === undefined) return;
      choose(place(event));
      element.scrollIntoView({ block: 'nearest' });
    });
    chart.on('plotly_hover', (event) => place(event) !== undefined && show(place(event)));
    chart.on('plotly_unhover', () => chosen !== null && show(chosen));
  }
}
const charts = document.getElementById('charts');
if (charts) new MutationObserver(listen).observe(charts, { childList: true, subtree: true, attributes: true, attributeFilter: ['class'] });
listen();
