"""What draws lines: every widget here is given what to show, and tells by messages what the operator wants."""
