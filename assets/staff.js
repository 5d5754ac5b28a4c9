// The staff's page shows how a study stands every few seconds, and keeps what is focused where it is.
const EVERY_MS = 5000;

async function look() {
  const standing = document.getElementById('standing');
  if (!standing || document.hidden) return;
  try {
    const answer = await fetch('standing', { cache: 'no-store' });
    if (answer.status === 401) { location.reload(); return; } // a server that was started anew asks for its password
    const shown = answer.ok ? await answer.text() : '';
    if (!shown || shown === standing.dataset.shown) return;
    const focused = standing.contains(document.activeElement) ? document.activeElement?.id : '';
    standing.innerHTML = shown;
    standing.dataset.shown = shown;
    if (focused) document.getElementById(focused)?.focus();
  } catch { /* connection.js tells that the server does not answer */ }
}

setInterval(look, EVERY_MS);
