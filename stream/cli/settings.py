"""`regrade settings`: what is in force, and where each value came from."""

from stream.cli.options import Json
from stream.cli.output import err, out, result


def settings(as_json: Json = False) -> int:
    """Show every setting in force and its source; secrets are hidden.

    A value comes from a REGRADE_* variable, else from the TOML file, else it is the default.
    """
    from stream.settings import Settings, effective, unknown_variables

    found = effective(Settings.load())
    unknown = unknown_variables()
    if as_json:
        values = {
            name: {"value": value, "source": source} for name, (value, source) in found.items()
        }
        result({"settings": values, "unknown_variables": unknown})
    else:
        from rich.table import Table

        table = Table("setting", "value", "source", box=None)
        for name, (value, source) in found.items():
            table.add_row(name, _text(value), source, style="bold" * (source != "default"))
        out().print(table)
    for name in unknown:
        err().print(f"warning: {name} sets nothing; is it misspelt?", markup=False, soft_wrap=True)
    return 0


def _text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else "-" if value is None else str(value)
