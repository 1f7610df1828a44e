"""How work goes on."""
