"""The same examples in every run, and no deadline: two workers may share a core."""

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.load_profile("same")
