"""The screens: each turns the board, or one answer of a source, into rows and lines."""
