"""The command line: one module per command, loaded when it is needed.

Heavy imports stay inside the function of a command, so that help is quick.

Exit status: 0 every arm has its record, 1 some arms failed, scores got worse (`compare --fail-on-change`)
or artifacts are damaged (`store verify`), 2 the suite, its data or the command is wrong, 130 stopped by Ctrl-C or SIGTERM.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from bench import __version__
from bench.errors import BenchError

COMMANDS = (
    *("init", "check", "plan", "run", "report", "recommend", "price", "compare"),
    *("leaderboard", "export", "fit", "schema", "import", "list", "prices", "models", "setup", "store"),
)
"""All commands in order of use. Each is a function in a module; both have the command's name."""

RESERVED = ("import", "list")
"""Names that are reserved in Python or hide a built-in. Their modules and functions end in an underscore."""


class _Commands(click.Group):
    """Loads commands by name, and turns the errors of bench into lines for the user and exit status 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        name = f"{cmd_name}_" if cmd_name in RESERVED else cmd_name
        command: click.Command = getattr(import_module(f"bench.cli.{name}"), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            from bench.system.names import nearest

            if near := nearest(args[0], COMMANDS):
                ctx.fail(f"No such command '{args[0]}'. Did you mean '{near}'?")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        from bench.cli.streams import make_lenient
        from bench.system.home import provide_home

        make_lenient()
        provide_home()
        return super().main(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from bench.cli.output import JSON, Output

        ctx.obj = Output(as_json=JSON in args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        from bench.system.signals import STOPPED, stoppable

        output, status, fault = ctx.obj, 2, ""
        try:
            with stoppable(), output.collected():
                super().invoke(ctx)
            status = 0
        except SystemExit as ended:  # `run` and `compare` have a status of their own
            status = int(ended.code or 0)
        except BenchError as error:
            fault = str(error)
        except click.exceptions.NoArgsIsHelpError:
            raise
        except click.UsageError as error:
            where = error.ctx.command_path if error.ctx else "bench"
            if isinstance(error, click.NoSuchOption) and error.ctx and error.possibilities:  # suggest no old names
                shown = {name for option in error.ctx.command.params for name in (*option.opts, *option.secondary_opts)}
                error.possibilities[:] = [name for name in error.possibilities if name in shown]
            fault = f"{where}: {error.format_message()} See {where} --help."
        except UnicodeEncodeError as error:  # a file name, where Python takes names for ASCII
            name = error.object if len(error.object) < 200 else error.object[error.start : error.end]
            fault = f"{name}: cannot be written in the encoding {error.encoding}; set LC_ALL=C.UTF-8 or PYTHONUTF8=1"
        except OSError as error:  # such as a full disk, or a folder without permission to write
            fault = f"{error.filename or 'bench'}: {error.strerror or error}"
        except MemoryError:
            fault = "out of memory; finished work is kept"
        except KeyboardInterrupt:
            status, fault = STOPPED, "stopped; finished work is kept, and the same command continues from there"
        output.end(ctx.invoked_subcommand, status, fault)
        if status:
            raise SystemExit(status)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(__version__, prog_name="bench")
def main() -> None:
    """Compare annotating more data, distilling, and shrink-and-fine-tune under a fixed budget."""
    from bench.system import processes

    processes.limit_numpy_threads()
