"""Conversion to plain torch modules, to tied layers and to ONNX, and from Keras weights."""
