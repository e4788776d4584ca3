"""A trained network outside PyTorch: written as ONNX, checked, and run by ONNX Runtime."""
