"""`doctor explain`: the manual page of a check."""

import click


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("check")
def command(check: str) -> int:
    """Print the manual page of a check, named by its id or its name."""
    from doctor.registry import choose, load_checks
    from doctor.settings import Settings

    for loaded in choose(load_checks(), Settings(select=(check,))):
        click.echo(f"{loaded.id} ({loaded.check.severity.value})\n\n{loaded.manual}\n")
    return 0
