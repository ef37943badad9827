"""Reverse-complement parameter sharing for DNA networks, to train, to see and to check.

Everything listed in ``__init__.pyi`` is reachable as ``rcviz.<name>`` and loads when first used.

The examples of the docstrings are run by a test. Where they need a model and data, these are meant:

>>> import numpy as np
>>> import torch
>>> import rcviz
>>> parts = rcviz.split(rcviz.load_example("ctcf"), train=0.7, valid=0.15, test=0.15, seed=0)
>>> size = {"sequence_length": 200, "pool_size": 31}
>>> model = rcviz.build_model(rcviz.ModelConfig.one_layer("revcomp", n_filters=8, **size))
>>> standard = rcviz.build_model(rcviz.ModelConfig.one_layer("standard", n_filters=16, **size))
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = "0.2.0"
