"""What tests of sweeps share."""

MAY_DIFFER = ("seconds", "wall_seconds", "cpu_seconds", "peak_memory_mb", "code")
"""Columns in which two runs of the same training may differ; the code may be edited while tests run."""
