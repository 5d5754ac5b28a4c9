// What holds for the whole page. It stands in the page's head and listens to the document: a key that is pressed while the
// page's parts still arrive has its meaning already.
(() => {
  // Light and dark follow the system (or ?__theme=) until the person chooses.
  document.addEventListener('click', /** @param {Heard} event */ ({ target }) => {
    if (target.closest?.('.masthead button')) document.body.classList.toggle('dark');
  });
  // Enter sends, Shift+Enter begins a new line; an Enter that ends a word being composed does neither.
  /** @type {Record<string, string>} */
  const sends = { prompt: 'run', system: 'run', follow_up: 'send' };
  const fields = Object.keys(sends).map((id) => `#${id}`).join();
  for (const kind of ['keydown', 'keypress']) {
    document.addEventListener(kind, /** @param {Key} key */ (key) => {
      const field = key.key === 'Enter' && key.target.matches?.('textarea') && key.target.closest(fields);
      if (!field) return;
      key.stopPropagation(); // gradio has rules of its own
      if (kind === 'keypress' || key.shiftKey || key.isComposing || key.keyCode === 229) return;
      key.preventDefault();
      document.getElementById(sends[field.id]).click();
    }, true);
  }
  // A reply that was being written when the server was lost is asked again once it is back.
  let lost = false;
  const answers = new MutationObserver(() => {
    const now = document.body.classList.contains('unanswered');
    if (lost && !now && document.querySelector('#status :is(.reading, .writing)')) document.getElementById('run').click();
    lost = now;
  });
  document.addEventListener('DOMContentLoaded', () => {
    answers.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  });
  // A chart that was drawn on a hidden tab has a width of its own until the window's is told again.
  document.addEventListener('click', /** @param {Heard} event */ ({ target }) => {
    if (!target.closest?.('[role=tab]')) return;
    requestAnimationFrame(() => requestAnimationFrame(() => window.dispatchEvent(new Event('resize'))));
  });
  // A button that copies the last text beside it says so for a moment.
  document.addEventListener('click', /** @param {Heard} event */ async ({ target }) => {
    const button = target.closest?.('[data-copy]');
    if (!button) return;
    const texts = button.closest('section').querySelectorAll(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(texts[texts.length - 1].innerText);
      button.textContent = 'copied';
    } catch {
      getSelection().selectAllChildren(texts[texts.length - 1]);
      button.textContent = 'selected';
    }
  });
})();
