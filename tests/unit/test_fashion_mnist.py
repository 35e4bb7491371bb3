"""Where Fashion-MNIST is looked for, and how it is downloaded: from a server on this machine, good and bad."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from idx_files import idx
from problems import needs_fashion_mnist
from softreg.data import fashion_mnist
from softreg.errors import DataError, DataFormatError, DataNotFoundError


def small_set() -> dict[str, bytes]:
    """Return the four files in small: same names, same format, checksums of their own."""
    rng = np.random.default_rng(0)
    files = {}
    for prefix, n in (("train", 20), ("t10k", 10)):
        files[f"{prefix}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (n, 28, 28), dtype=np.uint8))
        files[f"{prefix}-labels-idx1-ubyte"] = idx((np.arange(n) % 10).astype(np.uint8))
    return files


FILES = small_set()


@pytest.fixture
def no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache; there is no Debian package, and the checksums are those of the small files."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(fashion_mnist, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(fashion_mnist, "SHA256", {name: hashlib.sha256(f).hexdigest() for name, f in FILES.items()})
    return tmp_path / "cache"


def put(folder: Path, *, packed: bool = True, leave_out: str = "") -> Path:
    folder.mkdir(parents=True)
    for name, content in FILES.items():
        if name != leave_out:
            (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


class Mirror:
    """A server of files on loopback that counts what is asked of it."""

    def __init__(self, files: dict[str, bytes], declared: int = 0) -> None:
        asked = self.asked = []  # type: list[str]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                content = files.get(self.path.strip("/"))
                self.send_response(200 if content is not None else 404)
                self.send_header("Content-Length", str(declared or len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self) -> Mirror:
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def good() -> Iterator[Mirror]:
    with Mirror({f"{name}.gz": gzip.compress(content) for name, content in FILES.items()}) as mirror:
        yield mirror


@pytest.mark.parametrize("packed", [True, False])
def test_the_folder_named_comes_before_the_cache_and_the_cache_before_debian(
    no_data: Path, tmp_path: Path, packed: bool
) -> None:
    assert fashion_mnist.find() is None
    debian = put(tmp_path / "debian", packed=packed)
    assert fashion_mnist.find() == debian
    cache = put(no_data, packed=packed)
    assert fashion_mnist.find() == cache
    named = put(tmp_path / "named", packed=packed)
    assert fashion_mnist.find(named) == named
    assert fashion_mnist.find(tmp_path / "empty") == cache
    train, test = fashion_mnist.load(named)
    assert (train.n_rows, test.n_rows, train.scale) == (20, 10, 1 / 255)
    assert train.X.dtype == np.uint8
    assert train.classes.tolist() == list(fashion_mnist.CLASSES)


def test_a_named_folder_with_some_of_the_files_is_refused_by_what_is_missing(no_data: Path, tmp_path: Path) -> None:
    put(tmp_path / "some", leave_out="t10k-labels-idx1-ubyte")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte"):
        fashion_mnist.load(tmp_path / "some")


def test_a_damaged_file_is_refused_and_fetch_replaces_it(no_data: Path, good: Mirror) -> None:
    put(no_data)
    damaged = no_data / "train-labels-idx1-ubyte.gz"
    content = FILES["train-labels-idx1-ubyte"]
    damaged.write_bytes(gzip.compress(content[:-1] + b"\3"))
    with pytest.raises(DataFormatError, match="SHA-256") as caught:
        fashion_mnist.load()
    assert any("softreg data fetch" in note for note in caught.value.__notes__)
    assert fashion_mnist.fetch(mirrors=[good.url]) == no_data
    assert good.asked == ["/train-labels-idx1-ubyte.gz"]
    assert fashion_mnist.load().train.n_rows == 20


def test_the_four_files_are_downloaded_into_the_cache_and_used(
    no_data: Path, good: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist.fetch, "__kwdefaults__", {"mirrors": [good.url], "progressbar": False})
    assert fashion_mnist.load().test.n_rows == 10
    assert sorted(path.name for path in no_data.iterdir()) == sorted(f"{name}.gz" for name in FILES)
    fashion_mnist.load()
    assert len(good.asked) == 4, "what is in the cache is not downloaded again"


@pytest.mark.slow
def test_a_mirror_that_fails_is_followed_by_the_next(no_data: Path, good: Mirror) -> None:
    wrong = {f"{name}.gz": gzip.compress(content[:-1] + b"\7") for name, content in FILES.items()}
    short = {f"{name}.gz": gzip.compress(content) for name, content in FILES.items()}
    with Mirror({}) as empty, Mirror(wrong) as lying, Mirror(short, declared=10**6) as broken:
        unreachable = "http://127.0.0.1:9"
        fashion_mnist.fetch(mirrors=[unreachable, empty.url, lying.url, broken.url, good.url])
    assert len(good.asked) == 4
    assert sorted(path.name for path in no_data.iterdir()) == sorted(f"{name}.gz" for name in FILES)


def test_with_nothing_reachable_one_message_names_the_files_and_the_place(no_data: Path) -> None:
    with Mirror({}) as empty, pytest.raises(DataNotFoundError) as caught:
        fashion_mnist.fetch(mirrors=["http://127.0.0.1:9", empty.url])
    message = str(caught.value)
    for words in [*FILES, str(no_data), "dataset-fashion-mnist", "--sample", "127.0.0.1:9", "404"]:
        assert words in message
    assert isinstance(caught.value, FileNotFoundError)
    assert list(no_data.iterdir()) == []


def test_downloading_can_be_forbidden(no_data: Path) -> None:
    with pytest.raises(DataNotFoundError, match="not allowed"):
        fashion_mnist.load(download=False)


def test_there_are_two_mirrors_and_they_are_encrypted() -> None:
    assert len({mirror.split("/")[2] for mirror in fashion_mnist.MIRRORS}) >= 2
    assert all(mirror.startswith("https://") for mirror in fashion_mnist.MIRRORS)


def test_the_sample_has_every_class_equally_often() -> None:
    train, test = fashion_mnist.sample()
    assert np.bincount(train.y).tolist() == [400] * 10
    assert np.bincount(test.y).tolist() == [80] * 10
    assert sum(path.stat().st_size for path in fashion_mnist.sample_folder().iterdir()) < 2.5e6


@needs_fashion_mnist
def test_the_real_data_is_bytes_in_memory() -> None:
    train, test = fashion_mnist.load()
    assert (train.X.shape, test.X.shape) == ((60000, 784), (10000, 784))
    assert train.X.dtype == test.X.dtype == np.uint8
    assert train.X.nbytes == 47_040_000
    assert np.bincount(train.y).tolist() == [6000] * 10
    assert np.bincount(test.y).tolist() == [1000] * 10


@needs_fashion_mnist
@pytest.mark.slow
def test_the_sample_is_what_its_script_makes() -> None:
    import make_sample

    for part, real, count in zip(
        fashion_mnist.sample(),
        fashion_mnist.load(),
        (make_sample.TRAIN_PER_CLASS, make_sample.TEST_PER_CLASS),
        strict=True,
    ):
        rows = make_sample.first_of_each_class(real, count)
        assert part.X.tobytes() == real.X[rows].tobytes()
        assert part.y.tolist() == real.y[rows].tolist()
