"""How long things take, beside what others need for them."""
