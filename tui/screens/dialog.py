"""What dialogs have in common: they end once, however often and fast keys are pressed."""

from typing import TypeVar

from textual.screen import ModalScreen

R = TypeVar("R")


class Dialog(ModalScreen[R]):
    """A screen over a screen."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = False

    def end(self, result: R | None = None) -> None:
        """Back to the screen below, with this result. The second time nothing happens."""
        if not self._ended:
            self._ended = True
            self.dismiss(result)
