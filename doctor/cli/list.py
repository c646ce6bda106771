"""`doctor list`: all checks."""

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> int:
    """List all checks with their usual severity."""
    from doctor.registry import load_checks

    checks = load_checks()
    width = max(len(check.id) for check in checks)
    for check in checks:
        click.echo(f"{check.id:{width}}  {check.check.severity.value:7}  {check.summary}")
    return 0
