"""The tools behind the kinds of step that are more than a call of a caller's tool."""
