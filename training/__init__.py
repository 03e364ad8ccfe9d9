import os

# From 1.29 on ONNX Runtime reports to Microsoft unless it is told not to before its first session.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
