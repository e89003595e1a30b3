"""Part of Coalmine: what the numbers mean. Sequential tests that hold while someone watches."""
