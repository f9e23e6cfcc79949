"""Writing to disk: whoever is killed, runs out of space or shares a file leaves the old one or the new one, never a part."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeops import files
from pipeops.errors import PipeOpsError, WriteError
from pipeops.files import write_bytes

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="modes, links and limits of POSIX")


def run(code: str, *arguments: object) -> str:
    """What a Python process of its own prints."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_file_is_what_was_written_and_nothing_is_left_beside_it(tmp_path):
    for data in (b"first", b"", bytearray(b"third"), memoryview(b"x" * 3_000_000)):
        write_bytes(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == bytes(data)
    write_bytes(str(tmp_path / ("ä" * 120)), b"a name of 240 bytes")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "ä" * 120]


@posix
def test_the_mode_is_kept_and_a_new_file_has_the_usual_one(tmp_path):
    path = tmp_path / "file"
    old = os.umask(0o027)
    try:
        write_bytes(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o606)
        write_bytes(path, b"again")
        assert stat.S_IMODE(path.stat().st_mode) == 0o606
    finally:
        os.umask(old)


@posix
def test_what_is_secret_is_never_readable_for_others(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    write_bytes(path, b"old")
    path.chmod(0o600)
    monkeypatch.setattr(files, "_resemble", lambda part, old: seen.append(stat.S_IMODE(part.stat().st_mode)))
    write_bytes(path, b"new")
    assert seen == [0o600]


@posix
def test_links_are_kept(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "file")
    (tmp_path / "second").symlink_to("link")
    (tmp_path / "dangling").symlink_to("elsewhere/new")
    write_bytes(tmp_path / "second", b"new")
    write_bytes(tmp_path / "dangling", b"made")
    assert all((tmp_path / name).is_symlink() for name in ("link", "second", "dangling"))
    assert (tmp_path / "elsewhere" / "file").read_bytes() == b"new"
    assert sorted(p.name for p in (tmp_path / "elsewhere").iterdir()) == ["file", "new"]


@posix
def test_only_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", "/dev/null"):
        with pytest.raises(WriteError, match="cannot write .*no regular file"):
            write_bytes(place, b"x")
    with pytest.raises(WriteError, match="cannot write .*No such file or directory"):
        write_bytes(tmp_path / "nowhere" / "file", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_a_protected_file_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(WriteError, match="write-protected; the file that was there is as it was"):
        write_bytes(tmp_path / "file", b"x")
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
@pytest.mark.parametrize(
    "raised", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()], ids=["full", "ctrl-c"]
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step, raised):
    def failing(*_):
        raise raised

    class Full:
        def __init__(self, handle, mode):
            os.close(handle)

        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731
        write = failing

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fdopen" if step == "write" else step, Full if step == "write" else failing)
    with pytest.raises((WriteError, KeyboardInterrupt), match="cannot write .*: No space left on device; the file|^$") as caught:
        write_bytes(path, b"new")
    monkeypatch.undo()
    if isinstance(caught.value, PipeOpsError):
        assert (caught.value.errno, isinstance(caught.value, OSError)) == (errno.ENOSPC, True)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


LIMITED = """
import resource, sys
from pipeops.files import write_bytes
from pipeops.errors import WriteError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
write_bytes(sys.argv[1], b"a" * 90_000)
try:
    write_bytes(sys.argv[1], b"b" * 110_000)
except WriteError as error:
    print(error)
"""


@posix
def test_a_limit_of_size_leaves_the_old_file(tmp_path):
    assert f"cannot write {tmp_path / 'file'}: File too large; the file that was there is as it was." in run(
        LIMITED, tmp_path / "file"
    )
    assert (tmp_path / "file").read_bytes() == b"a" * 90_000
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_writers_at_the_same_time_do_not_mix(tmp_path):
    def write(letter: bytes) -> None:
        for _ in range(10):
            write_bytes(tmp_path / "file", letter * 100_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b", b"c", b"d")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = (tmp_path / "file").read_bytes()
    assert len(data) == 100_000
    assert len(set(data)) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


KILLED = """
import os, random, signal, sys, time
from pipeops import as_learner, as_task_regr, load_learner, nn, po
path, times = sys.argv[1], int(sys.argv[2])
task = as_task_regr({"x": [0.0, 1.0, 2.0, 3.0], "y": [0.0, 1.0, 2.0, 3.0]}, target="y")
graph = po("torch_ingress_num") >> nn("linear", out_features=30_000) >> nn("head") >> po("torch_loss", loss="mse")
learners = [as_learner(graph >> po("torch_optimizer") >> po("torch_model_regr", epochs=0, batch_size=2, seed=s)) for s in (1, 2)]
expected = [learner.train(task).predict(task).response.tolist() for learner in learners]
start = time.perf_counter()
learners[0].save(path)
once, rng, found = time.perf_counter() - start, random.Random(times), set()
for _ in range(times):
    child = os.fork()
    if not child:
        while True:
            for learner in learners:
                learner.save(path)
    time.sleep(rng.uniform(0, 6 * once))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found.add(expected.index(load_learner(path).predict(task).response.tolist()))
print(sorted(found))
"""


@posix
@pytest.mark.parametrize("times", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_kill_9_leaves_a_whole_learner(tmp_path, times):
    """A process that saves two learners over each other is killed at a random moment; one of them is always there."""
    found = run(KILLED, tmp_path / "file", times).strip()
    assert found in ("[0]", "[1]", "[0, 1]") if times < 200 else found == "[0, 1]"
