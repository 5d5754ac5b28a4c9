// Says on the page that the server does not answer, and goes on once it does. What the Play page shows is then asked
// again: the server that is back may be another process, which knows nothing of this page.
(() => {
  const PATIENCE_MS = 60000, LONGEST = 8000;
  const told = document.currentScript?.dataset ?? {}; // a study's page says it in its own language
  const LOST = told.lost ?? 'The server does not answer; trying again…', BACK = 'The server is back; loading the page again…';
  const LONG = 'The server is back. Copy what you typed, then load the page again: it is too long to be kept.';
  const play = () => document.getElementById('play');
  const everyMs = () => (play() ? 3000 : 20000); // a study may have many people
  const line = Object.assign(document.createElement('div'), { id: 'connection', hidden: true });
  line.setAttribute('role', 'alert');
  let app = window.gradio_config?.app_id ?? null, missed = 0, leaving = false, touched = false;

  /** @param {string} text */
  function tell(text) {
    if (!line.isConnected) document.body.append(line);
    line.hidden = !text;
    if (line.textContent !== text) line.textContent = text;
    document.body.classList.toggle('unanswered', Boolean(text));
  }

  // The address that shows what is shown now; a page whose controls are no settings has the one it was opened by.
  /** @param {string} query */
  const asShown = (query) => window.asShown?.(query) ?? query;

  async function identity() {
    const address = new URL(told.asks ?? 'gradio_api/app_id', document.baseURI);
    const answer = await fetch(address, { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json()).app_id;
  }

  function again() {
    const query = touched || location.search ? asShown(location.search) : '';
    if (query.length > LONGEST) { tell(LONG); return; }
    history.replaceState(null, '', query ? `?${query}` : location.pathname);
    tell(BACK);
    leaving = true;
    location.reload();
  }

  async function look() {
    try {
      const now = await identity();
      const another = app !== null && now !== app;
      app ??= now;
      missed = 0;
      if (another && play()) again();
      else tell('');
    } catch {
      missed += 1;
      if (leaving || missed < 2) return; // a page that is being left loses what it asked for, too
      tell(LOST);
      // Gradio loads the page again by itself once it is answered: then too it opens with what is shown now.
      const query = asShown(location.search);
      if (play() && touched && query.length <= LONGEST) history.replaceState(null, '', `?${query}`);
    }
  }

  async function watch() {
    if (!document.hidden) await look();
    if (!leaving) setTimeout(watch, missed ? 1000 : everyMs());
  }

  for (const event of ['pointerdown', 'input', 'keydown']) {
    document.addEventListener(event, /** @param {Heard} event */ ({ target }) => { touched ||= Boolean(target.closest?.('#play')); }, true);
  }
  addEventListener('pagehide', () => { leaving = true; });
  addEventListener('pageshow', ({ persisted }) => { if (persisted) { leaving = false; watch(); } });
  addEventListener('DOMContentLoaded', watch);
  if (document.readyState !== 'loading') watch();
})();
