"""`agentrt doctor`: what works here, and what to do about the rest."""

from __future__ import annotations

from typing import Annotated

import typer


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Look at this machine: what is installed, which engines and models work, what to do about the rest.

    Exit status 1 when something that is needed to run a local model is missing.

    Example: agentrt doctor --json
    """
    from dataclasses import asdict

    from agentrt.serving.advice import findings
    from agentrt.serving.probe import probe

    machine = probe()
    found = findings(machine)
    if json:
        import json as encoder

        report = {"machine": asdict(machine), "findings": [asdict(finding) for finding in found]}
        typer.echo(encoder.dumps(report, indent=2))
    else:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table

        signs = {"ok": "[green]ok[/]", "warning": "[yellow]look[/]", "missing": "[red]missing[/]"}
        table = Table(box=None, show_header=False)
        for finding in found:
            remedy = f"\n[dim]{escape(finding.remedy)}[/]" if finding.remedy else ""
            table.add_row(signs[finding.verdict], finding.what, escape(finding.found) + remedy)
        Console().print(table)
    if any(finding.verdict == "missing" for finding in found):
        raise typer.Exit(1)
