"""The driver of training runs: one alone, or several of one blueprint at once, each with the numbers that it gets alone.

Each run has its own random numbers, batches, callbacks, scores and end; one that is over or has failed leaves the others and
never affects them. An error of the engine itself stops a run that is alone; runs that were together are trained again, alone.
Where a callback of one's own may change what it sees, the engine is chosen anew for each epoch, and between epochs the
network is its own; where other parameters are trained from now on, it is chosen anew too.
Neighbours: groups says what may go together; the engines make the steps; the model node calls this.
"""

from collections.abc import Sequence

from pipeops.net.inputs.streams import Streamed
from pipeops.net.training.course import Course
from pipeops.net.training.engine import Engine, OneByAutograd
from pipeops.net.training.machine import SHARED
from pipeops.net.training.trainer import Epoch, Trained
from pipeops.net.vectorized.ensemble import Ensemble
from pipeops.net.vectorized.groups import groups
from pipeops.net.vectorized.mapped import MappedPlan
from pipeops.net.vectorized.plans import NotRuledError, RulePlan
from pipeops.net.vectorized.wiring import has_rules, held


def train_alone(course: Course) -> None:
    """Train by itself; what stopped it is left with the course."""
    with course.machine.training():
        course.generator = SHARED
        drive([course])


def train_together(courses: Sequence[Course]) -> None:
    """Train all courses, those as one that may be. Errors are left with the courses."""
    for group in groups(courses):
        if len(group) == 1:
            train_alone(group[0])
            continue
        with group[0].machine.training():
            drive(group)


def drive(courses: Sequence[Course]) -> None:
    """Carry courses through all their epochs."""
    running: dict[Course, Epoch] = {}
    for course in courses:
        course.together = len(courses)
        _note(running, course, course.begin())
    engine: Engine | None = None
    try:
        while running:
            present = list(running)
            engine, trained = engine_for(present), _trained(present)
            while list(running) == present and _trained(present) == trained:
                _epoch(engine, running)
                if present[0].trainer.own:
                    break
            engine.close()
            engine = None
    except BaseException as error:
        for course in running:
            course.interrupted = len(courses) > 1
            course.stop()
        if len(courses) == 1 or not isinstance(error, Exception):
            raise
    finally:
        if engine is not None:
            engine.close()


def _trained(courses: Sequence[Course]) -> list[list[bool]]:
    """Which parameters are trained, of networks where that may change between epochs."""
    return [[p.requires_grad for p in course.network.parameters()] for course in courses if course.trainer.in_place]


def _note(running: dict[Course, Epoch], course: Course, epoch: Epoch | None) -> None:
    if epoch is not None:
        running[course] = epoch
    else:
        running.pop(course, None)


def _epoch(engine: Engine, running: dict[Course, Epoch]) -> None:
    """One epoch of every course, and the beginning of the next of those that go on."""
    present = list(running)
    for course in present:
        course.engines.add(engine.name)
    found: Sequence[Trained | Exception]
    try:
        found = engine.epoch(list(running.values()))
    except Exception as error:
        if len(present) > 1:
            raise
        found = [error]
    if present[0].trainer.own:
        engine.close()
    for course, trained in zip(present, found, strict=True):
        _note(running, course, course.go_on(trained))


def engine_for(courses: Sequence[Course]) -> Engine:
    """The engine for the next epochs of these courses."""
    by_rules = all(has_rules(course) for course in courses) and not any(_inside(course) for course in courses)
    for kind in (RulePlan,) * by_rules + (MappedPlan,) * (len(courses) > 1):
        together = held(courses)
        engine = None if together is None else Ensemble(courses, together, kind)
        if engine is not None and engine.holds:
            return engine
        if engine is not None:
            engine.close()
    if len(courses) > 1:
        raise NotRuledError
    return OneByAutograd(courses[0])


def _inside(course: Course) -> bool:
    """Whether a callback or the stepper looks at batches, or these are read one by one."""
    if isinstance(course.trainer.epochs.batches, Streamed):
        return True
    return course.trainer.sees_batches or course.trainer.ctx.stepper.reads_batch
