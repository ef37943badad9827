"""Reverse-complement parameter sharing for DNA networks, to train, to see and to check.

Everything listed in ``__init__.pyi`` is reachable as ``rcviz.<name>`` and loads when first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
