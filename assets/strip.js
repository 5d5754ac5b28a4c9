// A card of the strip is a button; choosing it moves the dial to its strength.
element.addEventListener('click', /** @param {Heard} event */ (event) => {
  const card = event.target.closest('[data-strength]');
  if (card) document.dispatchEvent(new CustomEvent('strength', { detail: Number(card.dataset.strength) }));
});
