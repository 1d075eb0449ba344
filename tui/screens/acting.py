"""The keys that act: on a screen that has something to act upon. Without --write each says only why it does not."""

from collections.abc import Iterable
from datetime import datetime

from textual.binding import Binding

from tui import acts
from tui.acts import Act, Key, Subject
from tui.screens.confirm import ConfirmScreen, SinceScreen
from tui.screens.view import View


class Acting(View):
    """A screen with acts. Its BINDINGS hold `keys_of` what fits it."""

    def subject(self) -> Subject | None:
        """What is under the cursor."""
        raise NotImplementedError

    def known(self, endpoint: str, message: str = "") -> Subject:
        """An endpoint, or a delivery to it, with what the board knows."""
        target = self.console.board.targets.get(endpoint)
        if target is None:
            return Subject(endpoint, "", message)
        return Subject(endpoint, target.stats.url, message, target.stats.disabled is not None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """An act is there with --write only; else its key says so."""
        if action == "act":
            return self.console.writable
        if action == "only_read":
            return not self.console.writable
        return super().check_action(action, parameters)

    def action_only_read(self) -> None:
        """Say why nothing happens."""
        self.console.say(self.console.why_not(), "warning")

    def action_act(self, name: str) -> None:
        """Ask for the act behind a key."""
        if why := self.console.why_not():
            self.console.say(why, "warning")
            return
        subject = self.subject()
        if subject is None or not subject.endpoint:
            self.console.say("there is nothing under the cursor to do that to", "warning")
            return
        act = acts.chosen(acts.KEYS[name], subject)
        now = self.console.clock()
        if act.asks_since and now is not None:
            self._ask_since(act, subject, now)
        else:
            self.app.push_screen(ConfirmScreen(act, subject))

    def _ask_since(self, act: Act, subject: Subject, now: datetime) -> None:
        def known(since: datetime | None) -> None:
            if since is not None:
                self.app.push_screen(ConfirmScreen(act, subject, since))

        self.app.push_screen(SinceScreen(act, now), known)


def keys_of(keys: Iterable[Key]) -> list[Binding]:
    """The bindings of some acts: each doubly, for those who may and those who may not."""
    found = []
    for each in keys:
        found += [
            Binding(each.key, f"act('{each.acts[0].name}')", each.label, show=each.shown, key_display=each.key),
            Binding(each.key, "only_read", f"{each.label} (with --write)", show=False, key_display=each.key),
        ]
    return found
