"""Property tests here run without a deadline: a first call may import pandas or torch, and machines are shared."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
