"""`softreg predict`: labels for images."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

__all__ = ["predict"]

_AT_ONCE = 1024  # images: lines appear as they are computed


@click.command()
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("images", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: index, label, probability.")
def predict(model: Path, images: Path, as_json: bool) -> None:
    """Print the most likely label of each image and its probability, one line an image.

    MODEL is a file that `softreg train` wrote; IMAGES is an IDX file, gzipped or not.

    \b
    Examples:
      softreg predict fashion-mnist.safetensors t10k-images-idx3-ubyte.gz
      softreg predict fashion-mnist.safetensors t10k-images-idx3-ubyte.gz --json | head -n 3
    """
    from softreg.data.dataset import check_finite
    from softreg.data.idx import read_idx
    from softreg.errors import ShapeError
    from softreg.model import Model

    fitted = Model.load(model)
    X = read_idx(images)
    want = fitted.image_shape or (fitted.n_features,)
    fits = X.shape[1:] == want or (math.prod(X.shape[1:]) == fitted.n_features and 1 in (len(want), X.ndim - 1))
    if X.ndim < 2 or not fits:
        raise ShapeError(str(images), X.shape, f"(images, {', '.join(map(str, want))}), as {model} was trained on")
    if X.dtype.kind == "f":
        check_finite(X, str(images))  # before the first line is printed
    for start in range(0, len(X), _AT_ONCE):
        probs = fitted.predict_proba(X[start : start + _AT_ONCE])
        codes = probs.argmax(axis=1)
        lines = []
        for i, code in enumerate(codes):
            label, probability = fitted.classes[code].item(), float(probs[i, code])
            if as_json:
                lines.append(
                    json.dumps({"index": start + i, "label": label, "probability": probability}, ensure_ascii=False)
                )
            else:
                lines.append(f"{_printable(str(label))}\t{probability:.4f}")
        click.echo("\n".join(lines))


def _printable(label: str) -> str:
    """Return the label with its tabs, newlines and other control characters written out: one line stays one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in label)
