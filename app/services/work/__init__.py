"""How work goes on: who holds it, who is woken, and what is put off."""
