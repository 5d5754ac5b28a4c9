// The replies behind a point: chosen by a button here, or by pointing at a chart. What was chosen stays chosen while
// new replies come in.
let chosen = null;

function show(place) {
  if (!element.querySelector(`button[data-place="${place}"]`)) return;
  chosen = String(place);
  for (const button of element.querySelectorAll('button[data-place]')) button.setAttribute('aria-pressed', button.dataset.place === chosen);
  for (const list of element.querySelectorAll('.replies')) list.hidden = list.dataset.place !== chosen;
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-place]');
  if (button) show(button.dataset.place);
});
new MutationObserver(() => {
  const pressed = element.querySelector('button[aria-pressed=true]');
  if (chosen !== null && pressed?.dataset.place !== chosen) show(chosen);
}).observe(element, { childList: true, subtree: true });

// A chart is made anew with each payload; each new one is listened to.
function listen() {
  for (const chart of document.querySelectorAll('#charts .js-plotly-plot')) {
    if (chart.dataset.heard || !chart.on) continue;
    chart.dataset.heard = 'true';
    chart.on('plotly_hover', ({ points }) => {
      const place = points[0]?.customdata?.[0];
      if (place !== undefined) show(place);
    });
  }
}
const charts = document.getElementById('charts');
if (charts) new MutationObserver(listen).observe(charts, { childList: true, subtree: true, attributes: true, attributeFilter: ['class'] });
listen();
