"""Export a trained network as ONNX, check the file, and run it in ONNX Runtime."""
