() => {
  // The status line is read aloud as it changes; the region must stand before its text does.
  const status = document.getElementById('status');
  status?.setAttribute('role', 'status');
  status?.setAttribute('aria-live', 'polite');
  // Light and dark follow the system (or ?__theme=) until the person chooses.
  const toggle = document.querySelector('.masthead button');
  toggle?.addEventListener('click', () => document.body.classList.toggle('dark'));
  // While a reply grows, its pane follows the last line unless the person has scrolled up. One that was there from the
  // beginning is read from its first line.
  for (const pane of document.querySelectorAll('#base, #steered')) {
    let follows = true, grew = false;
    pane.addEventListener('scroll', ({ target }) => {
      if (target.matches('.scroll')) follows = target.scrollHeight - target.scrollTop - target.clientHeight < 24;
    }, true);
    new MutationObserver(() => {
      const scroll = pane.querySelector('.scroll');
      grew ||= pane.querySelector('.caret') !== null;
      if (scroll && follows && grew) scroll.scrollTop = scroll.scrollHeight;
    }).observe(pane, { subtree: true, childList: true, characterData: true });
  }
  // A button that copies the last text beside it says so for a moment.
  document.addEventListener('click', async ({ target }) => {
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
}
