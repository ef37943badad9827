"""The paper's figures as data: arms as configuration, a sweep that can be killed, a record a run, tidy tables."""
