"""Figures: arrays, tables or results in, Axes out; never torch, never ipywidgets."""
