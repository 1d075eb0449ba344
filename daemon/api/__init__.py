"""The HTTP surfaces: what is declared once becomes route, validation, error answers and OpenAPI."""
