"""Who may ask what, and how much: limits, the queue, origins, passwords, uploads, and the loan of a GPU."""
