"""Texts that have broken consoles, or worse: markup, terminal escapes, what hides or turns about, what never ends."""

MARK = "PWNED"
TEXTS = (
    "[/boom]",
    "[type=x, v={'a[0]'}]",
    "[bold red]not bold[/]",
    "[@click=app.quit]press me[/]",
    f"\x1b]0;{MARK}\x07title",
    f"\x1b]52;c;{MARK}\x07clipboard",
    f"\x1b[2J\x1b[31m{MARK}\x1b[0m",
    f"\x9b31m{MARK}\x9d0;{MARK}\x9c",
    "\x1bP1$r\x1b\\\x1bc",
    "abc\u202edcba\u2066x\u2069",
    "zero\u200bwidth\ufeff\u00ad\u2060",
    "bell\x07back\x08\x08\x08feed\x0c\x00nul",
    "line\r\nbreak\u2028and\u2029more\x85next",
    "\ud800 lone surrogate",
    "tab\tand\x7fdelete",
    "中文字符宽度 😀 👩‍👩‍👧 é",
    "a\u0300\u0301\u0302\u0303" * 20,
    "x" * 1_000_000,
    "https://user:secret@h/%1b]0;x\x07?q=[/]#[b]",
    "",
    "{0} %s $1 `id` \\",
)
SENDABLE = tuple(text for text in TEXTS if text.isascii() or "\ud800" not in text)
MIXED = (" ".join(text[:500] for text in SENDABLE), " ".join(text[:500] for text in reversed(SENDABLE)))
