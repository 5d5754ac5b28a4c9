// A card of the strip is a button; choosing it tells its strength.
element.addEventListener('click', /** @param {Heard} event */ (event) => {
  const card = event.target.closest('[data-strength]');
  if (card) trigger('select', { strength: Number(card.dataset.strength) });
});
