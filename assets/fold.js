// A fold's heading: the value says whether what is below it shows.
element.addEventListener('click', /** @param {Heard} event */ ({ target }) => { if (target.closest('.fold-head')) props.value = !props.value; });
