// A card of the strip is a button; choosing it tells its alpha.
element.addEventListener('click', /** @param {Heard} event */ (event) => {
  const card = event.target.closest('[data-alpha]');
  if (card) trigger('select', { alpha: Number(card.dataset.alpha) });
});
