"""The group of commands, and the one place where errors become messages and exit codes."""

from __future__ import annotations

from typing import Any

import click

import softreg
from softreg.cli.calibrate import calibrate
from softreg.cli.data import data
from softreg.cli.evaluate import evaluate
from softreg.cli.predict import predict
from softreg.cli.report import report
from softreg.cli.train import INTERRUPTED, train
from softreg.cli.tune import tune
from softreg.errors import DataNotFoundError, FitError, SoftregError

__all__ = ["main"]


class _WrongError(click.ClickException):
    """Something that the user can put right in the call or its files."""

    exit_code = 2


class _FailedError(click.ClickException):
    """Something that failed."""

    exit_code = 1


class _Group(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly: `softreg predict … | head` is no mistake
        except MemoryError:
            raise _FailedError("there is not enough memory for this") from None
        except (SoftregError, OSError) as error:
            failed = isinstance(error, (FitError, DataNotFoundError)) or not isinstance(error, SoftregError)
            message = "\n".join([str(error), *getattr(error, "__notes__", [])])
            raise (_FailedError if failed else _WrongError)(message) from None
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 something failed, 2 something to be put right in the call or its files, 130 Ctrl-C.",
)
@click.version_option(softreg.__version__, message="softreg %(version)s")
def main() -> None:
    """Softmax regression: train on data, choose the penalty, predict labels.

    \b
    Examples:
      softreg train fashion-mnist              five epochs, a model and a picture
      softreg train fashion-mnist --sample     the same on the sample in the package
      softreg predict fashion-mnist.safetensors images-idx3-ubyte.gz
      softreg tune wine.csv --target class     the penalty by cross-validation, and the model
      softreg predict wine.safetensors other.csv
      softreg evaluate wine.safetensors other.csv --target class      every figure, with an interval
      softreg calibrate wine.safetensors other.csv --target class     probabilities as frequent as they say
      softreg report fashion-mnist.safetensors fashion-mnist     a web page about the model
      softreg data list                        the data sets, and where they are
    """


main.add_command(calibrate)
main.add_command(data)
main.add_command(evaluate)
main.add_command(predict)
main.add_command(report)
main.add_command(train)
main.add_command(tune)
