// A pane shows the present turn from its first line, until the person scrolls. Continue asks for more.
let turns = -1, put = 0;
function show() {
  const now = element.querySelector('.user.now'), scroll = element.querySelector('.scroll');
  if (!scroll) return;
  const seen = element.querySelectorAll('.user').length;
  if (seen === turns && Math.abs(scroll.scrollTop - put) > 1) return; // the person's own place
  turns = seen;
  scroll.scrollTop = now ? now.offsetTop - 2 : 0;
  put = scroll.scrollTop; // less while there is not yet so much to scroll
}
new MutationObserver(show).observe(element, { childList: true, subtree: true, characterData: true });
element.addEventListener('click', /** @param {Heard} event */ ({ target }) => { if (target.closest('[data-more]')) trigger('select', {}); });
