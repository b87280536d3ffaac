"""What speculative decoding is worth on this machine, method by method, each against `off` in one run."""
