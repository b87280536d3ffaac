"""Conversations against one agent alone: F1 or accuracy, tokens, wall time and stop reasons, with confidence intervals.

    python -m benchmarks.optima [--quick] [--check] [--json FILE] [--model NAME] [--tasks N] [--seconds S]

Every finished conversation is kept in a file, so a run that is stopped, or ends after `--seconds`, goes on when it is
started again. The data is found through AGENTRT_DATA (default: ../shared/data beside the checkout).
"""
