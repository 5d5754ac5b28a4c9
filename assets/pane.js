// A pane shows the present turn from its first line, and stays where the person has scrolled. Continue asks for more.
let turns = -1;
function show() {
  const now = element.querySelector('.user.now'), scroll = element.querySelector('.scroll');
  const seen = element.querySelectorAll('.user').length;
  if (!scroll || seen === turns) return;
  turns = seen;
  scroll.scrollTop = now ? now.offsetTop - scroll.offsetTop : 0;
}
new MutationObserver(show).observe(element, { childList: true, subtree: true });
element.addEventListener('click', ({ target }) => { if (target.closest('[data-more]')) trigger('select', {}); });
