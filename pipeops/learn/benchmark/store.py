"""Where an interrupted benchmark is taken up again: a folder with one file for each finished job.

A file is found again by what decides the job's outcome (see fingerprint): the data, the learner and all that it is made of, the
rows, the seed. So nothing is ever taken for something else, and a grid may grow. What cannot be told from another is not
kept, with a warning. Every file is written at once and whole, so that several processes may share a folder; one that is
damaged costs its own job, and the seed of the folder stands in the names of the files too. A folder that cannot be written
to is warned of once. Neighbours: fingerprint, saving and jobs below, run above.
"""

import json
import os
import warnings
from pathlib import Path
from typing import Any

import attrs

from pipeops.data import Task
from pipeops.errors import ConfigError, FormatError, WriteError
from pipeops.files import write_bytes
from pipeops.learn.benchmark.fingerprint import Fingerprints
from pipeops.learn.benchmark.jobs import Outcome, Sets
from pipeops.learn.benchmark.parts import UnhashableError
from pipeops.learn.learner import Learner
from pipeops.saving import read, savable, write


class StoreWarning(UserWarning):
    """Jobs of a benchmark are not kept in its folder, and would run again."""


@savable
@attrs.frozen(eq=False)
class Kept:
    """What a file holds: what its job was found by, and what it left."""

    key: str
    outcome: Outcome


class Store:
    """The folder of a benchmark.

    seed: of its first run; another one is refused. settings: what decides beside task, learner and rows.
    """

    def __init__(self, path: str | Path, seed: int | None, *settings: Any):
        self.path, self._settings = Path(path), settings
        self._fingerprints, self._told = Fingerprints(), set[str]()
        self._rows: dict[tuple[int, int], bytes | None] = {}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"benchmark: path={str(path)!r} is no folder, and none can be made there ({error}).") from error
        self.seed = self._begun()
        if None not in (seed, self.seed) and seed != self.seed:
            raise ConfigError(
                f"benchmark: the folder {self.path} was begun with seed {self.seed}, not {seed}; choose another folder."
            )

    def _begun(self) -> int | None:
        """The seed that the folder was begun with: as noted, else as the names of the jobs' files say."""
        file = self.path / "benchmark.json"
        noted = _noted(file)
        if noted is None:
            noted = next((s for s in map(_named, sorted(self.path.glob("*.safetensors"))) if s is not None), None)
            if os.path.lexists(file):
                self._tell(f"{file} is damaged; " + ("it is begun anew." if noted is None else f"the seed {noted} is kept."))
        return noted

    def begin(self, seed: int) -> int:
        """Note the seed, so that a run without one goes on with it; where another process was first, its seed holds."""
        file = self.path / "benchmark.json"
        if _noted(file) is None:
            self._note(file, self.seed if self.seed is not None else seed)
        found = _noted(file)
        self.seed = seed if found is None else found
        return self.seed

    def _note(self, file: Path, seed: int) -> None:
        """Write the seed unless somebody else just did: a name is linked only once. What is damaged is replaced."""
        data, own = json.dumps({"seed": seed}).encode(), file.with_name(f".{os.getpid()}.{id(self)}.json")
        try:
            if os.path.lexists(file) or not hasattr(os, "link"):
                write_bytes(file, data)
                return
            write_bytes(own, data)
            try:
                os.link(own, file)
            except FileExistsError:
                pass
            except OSError:  # a disk without links
                write_bytes(file, data)
            finally:
                own.unlink(missing_ok=True)
        except (WriteError, OSError) as error:
            self._tell(f"the folder cannot be written to, so that nothing is kept: {error}")

    def load(self, task: Task, learner: Learner, sets: Sets) -> Outcome | None:
        """What a job left in an earlier run; None when it has not run to its end, or its file is damaged."""
        key = self._key(task, learner, sets)
        if key is None or not self._file(key).exists():
            return None
        try:
            kept = read(self._file(key), "job", trust=self._fingerprints.named)
        except FormatError:
            return None
        return kept.outcome if isinstance(kept, Kept) and kept.key == key else None

    def save(self, task: Task, learner: Learner, sets: Sets, outcome: Outcome) -> None:
        """Keep what a job left; the file appears whole or not at all. A model that cannot be saved is not kept, nor its job."""
        key = self._key(task, learner, sets)
        if key is None:
            return
        try:
            write(self._file(key), "job", Kept(key, outcome))
        except FormatError as error:
            self._tell(f"jobs of '{learner.id}' are not kept and would run again. {error}")
        except (WriteError, OSError) as error:
            self._tell(f"the folder cannot be written to; what is not kept would run again. {error}")

    def _tell(self, message: str) -> None:
        """Warn, of each thing once."""
        if message not in self._told:
            self._told.add(message)
            warnings.warn(f"benchmark: {message}", StoreWarning, stacklevel=5)

    def _file(self, key: str) -> Path:
        return self.path / f"{key}-{self.seed}.safetensors"

    def _key(self, task: Task, learner: Learner, sets: Sets) -> str | None:
        """What a job is found by; None where that cannot be told, which is said once."""
        row = (id(task), id(learner))
        if row not in self._rows:
            self._rows[row] = self._row(task, learner)
        if self._rows[row] is None:
            return None
        more = [] if sets.predict == ("test",) else [sets.predict]
        own = [self._rows[row], self._settings, self.seed, sets.seed, sets.train, sets.test, *more]
        return Fingerprints().of(own).hex()[:32]

    def _row(self, task: Task, learner: Learner) -> bytes | None:
        """The digest of what all jobs of a row share."""
        try:
            return self._fingerprints.of(task) + self._fingerprints.of(learner.clone())
        except UnhashableError as error:
            self._tell(f"jobs of '{learner.id}' are not kept and would run again: it cannot be told whether {error} is the same.")
            return None


def _noted(file: Path) -> int | None:
    """The seed in a file; None where there is none to be read."""
    try:
        seed = json.loads(file.read_bytes())["seed"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return seed if isinstance(seed, int) else None


def _named(file: Path) -> int | None:
    """The seed in the name of a job's file."""
    seed = file.stem.partition("-")[2]
    return int(seed) if seed.removeprefix("-").isdecimal() else None
