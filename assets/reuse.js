// What the page shows, to take along: copied to the clipboard or saved as a file, without asking the server.
const details = element.querySelector('details'), told = element.querySelector('[role=status]');
/** @type {Record<string, [string, string]>} */
const FILES = { preset: ['preset.toml', 'application/toml'], comparator: ['comparison.json', 'application/json'] };
/** @type {Record<string, string>} */
const DONE = { link: 'Link copied.', command: 'Command copied.', python: 'Python copied.' };

function address() {
  const ours = new URLSearchParams(props.value.link ?? '');
  for (const [name, value] of new URLSearchParams(location.search)) if (name.startsWith('__')) ours.append(name, value);
  return ours;
}

/** @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not allowed, or no secure page
    const field = Object.assign(document.createElement('textarea'), { value: text });
    details.append(field);
    field.select();
    document.execCommand('copy');
    field.remove();
  }
}

/** @param {string} text @param {[string, string]} file */
function saved(text, [name, type]) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  Object.assign(document.createElement('a'), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

element.addEventListener('click', /** @param {Heard} event */ async ({ target }) => {
  const take = target.closest('[data-take]')?.dataset.take;
  if (!take) return;
  const given = props.value[take];
  const text = take === 'link' && given ? window.asShown(given) : given; // also while nobody answers
  if (!text) { told.textContent = props.value.why?.[take] ?? 'Run the prompt first.'; return; }
  if (take in FILES) saved(text, FILES[take]);
  else await copied(take === 'link' ? `${location.origin}${location.pathname}?${text}` : text);
  told.textContent = DONE[take] ?? `Saved as ${FILES[take][0]}.`;
});

// A preset saved earlier: the file stays in the browser, only its text is sent.
const file = element.querySelector('input[type=file]');
element.querySelector('[data-open]').addEventListener('click', () => file.click());
file.addEventListener('change', async () => {
  const [chosen] = file.files;
  if (!chosen) return;
  details.open = false;
  trigger('select', { name: chosen.name, text: await chosen.slice(0, 200_000).text() });
  file.value = '';
});

document.addEventListener('click', /** @param {Heard} event */ ({ target }) => { if (!element.contains(target)) details.open = false; });
element.addEventListener('keydown', ({ key }) => {
  if (key !== 'Escape') return;
  details.open = false;
  details.querySelector('summary').focus();
});
details.addEventListener('toggle', () => { told.textContent = ''; });

// The address bar says what the page shows, so that loading the page again shows it again.
watch('value', () => {
  if (!props.value.live) return;
  const query = address().toString();
  history.replaceState(null, '', query ? `?${query}` : location.pathname);
});
