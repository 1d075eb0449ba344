"""The console: one more reader of the log.

    daemon ──SSE──▶ feed ──▶ Frame ──▶ Board ──paint──▶ screen ──▶ widgets
    export ──────▶ recording ─┘        (pure fold)      (at most five times a second, when something changed)

Everything flows one way. A *feed* yields frames: the live daemon, or an exported log played at any speed. A *board*
folds frames into what can be shown; it reads no clock, since moments are arguments. A *screen* turns the board into
rows and lines, and *widgets* draw these. Widgets never fetch, never sort, never count. What is not in the stream (one
delivery with its attempts) a screen asks of a *source*, which is the daemon's API or the same exported log.

All that is shown is a line of spans (`lines`), each a text and the name of a role. Text from strangers is made
harmless in one place, where spans become what a terminal gets (`widgets.paint`), so that no screen can forget it. All
words, glyphs and roles of a state stand in `wording`, all colours in `themes`, all layout in `hookd.tcss`.

The console speaks HTTP to the daemon, imports `events`, and never imports `daemon`.
"""
