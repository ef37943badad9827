"""jaxtyping's annotations of arrays, for packages that do without torch.

The import of jaxtyping takes longer than to draw a logo. Its annotations are needed by type checkers, and by whoever
imported it before, as tests and torch's part of rcviz do; otherwise an annotation is the kind of array alone.
"""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or "jaxtyping" in sys.modules:
    from jaxtyping import Bool, Float, Float32, Float64, Int, Int64, Shaped, UInt8, UInt64
else:

    class _Array:
        """Annotation of an array without its shape."""

        def __class_getitem__(cls, array_and_shape: tuple[Any, str]) -> Any:
            return array_and_shape[0]

    Bool = Float = Float32 = Float64 = Int = Int64 = Shaped = UInt8 = UInt64 = _Array

__all__ = ["Bool", "Float", "Float32", "Float64", "Int", "Int64", "Shaped", "UInt8", "UInt64"]
