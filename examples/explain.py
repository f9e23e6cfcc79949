"""What a model looks at, and whether its probabilities can be believed; with a folder as argument it draws pictures too."""

import sys
from pathlib import Path

from pipeops import as_learner, importance, lrn, partial_dependence, partition, po, tsk

task = tsk("breast_cancer")
train, test, _ = partition(task, seed=1)
naive = lrn("classif.naive_bayes", predict_type="prob")

found = importance(naive, task, measure="classif.logloss", resampling=3, repeats=1, seed=1)
print("the most important feature:", found.to_frame()["feature"][0])
curve = partial_dependence(naive.train(task, train), task.filter(test), "area error", individual=30)

calibrated = as_learner(po("calibrate", naive, method="isotonic", seed=1)).train(task, train)
raw, mended = naive.predict(task, test), calibrated.predict(task, test)
print(f"log loss {raw.score('classif.logloss'):.3f}, calibrated {mended.score('classif.logloss'):.3f}")

if len(sys.argv) > 1:
    pictures = {"importance": found.plot(most=10), "dependence": curve.plot(), "calibration": raw.plot("calibration", bins=5)}
    for name, ax in pictures.items():
        ax.figure.savefig(Path(sys.argv[1]) / f"{name}.png", dpi=80)
