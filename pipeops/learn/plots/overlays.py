"""Pictures of several things side by side: ROC and precision-recall curves, histories of training, scores of a benchmark.

All take `ax` and return it. Neighbours: figures below; plots (one prediction) and results above.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeops.errors import ConfigError, DataError, UnknownKeyError, suggest
from pipeops.learn.plots.figures import COLOURS, QUIET, finish, legend, new_axes, short, style, unit

COUNT = "train.batches_without_positives"
"""A column of the history that is no score."""


def roc_overlay(predictions: Mapping[str, Any], ax: Any = None) -> Any:
    """The ROC curves of several predictions of two classes in one picture, with the area under each.

    predictions: by the name that the legend shows. ax: matplotlib axes, those of a new figure by default; returned.

    >>> from matplotlib.figure import Figure
    >>> from pipeops import PredictionClassif
    >>> good = PredictionClassif(truth=["M", "R"], prob=[0.9, 0.2], class_names=["M", "R"])
    >>> ax = roc_overlay({"good": good}, Figure().subplots())
    >>> ax.get_legend_handles_labels()[1]
    ['good (AUC 1.000)']
    """
    ax = _square(predictions, ax, 10)
    ax.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":", zorder=1)
    for k, (name, prediction) in enumerate(predictions.items()):
        curve = prediction.roc()
        _curve(ax, k, name, curve["fpr"], curve["tpr"], f"AUC {prediction.score('classif.auc'):.3f}")
    return _framed(ax, x="false positive rate (1 - specificity)", y="true positive rate (sensitivity)", where="lower right")


def prc_overlay(predictions: Mapping[str, Any], ax: Any = None) -> Any:
    """The precision-recall curves of several predictions of two classes, with the average precision (AP) of each.

    Dotted: the share of positives, which is what chance gives.
    """
    from sklearn.metrics import precision_recall_curve

    ax = _square(predictions, ax, 9)
    for k, (name, prediction) in enumerate(predictions.items()):
        prediction.roc()  # refuses what has no such curve
        positive = prediction.truth_codes == 0
        precision, recall, _ = precision_recall_curve(positive, prediction.prob[:, 0], sample_weight=prediction.weights)
        ax.axhline(np.average(positive, weights=prediction.weights), color=QUIET, linewidth=1, linestyle=":", zorder=1)
        area = f"AP {prediction.score('classif.prauc'):.3f}"
        _curve(ax, k, name, recall, precision, area, drawstyle="steps-post")
    return _framed(ax, x="recall (sensitivity)", y="precision", where="lower left")


def _square(predictions: Mapping[str, Any], ax: Any, more: int) -> Any:
    """Axes with one scale on both sides; `more` letters follow each name in the legend."""
    if not isinstance(predictions, Mapping) or not predictions:
        raise ConfigError("plot: give predictions by name, as in {'mlp': prediction}.")
    ax = new_axes(ax, 4.4, 4.2, [short(name) + " " * more for name in predictions])
    ax.set_aspect("equal", adjustable="box", anchor="W")
    return ax


def _curve(ax: Any, k: int, name: str, x: Any, y: Any, score: str, **more: Any) -> None:
    ax.plot(np.asarray(x), np.asarray(y), label=f"{short(name)} ({score})" if name else score, linewidth=1.6, **style(k), **more)


def _framed(ax: Any, *, x: str, y: str, where: str) -> Any:
    finish(ax, x=x, y=y)
    unit(ax)
    legend(ax, where)
    return ax


# ---------------------------------------------------------------- histories


def plot_history(columns: Mapping[str, Sequence[float]], best_epoch: int | None, ax: Any = None, measures: Any = None) -> Any:
    """Scores by epoch: a colour for each measure, solid on validation and dashed on training data; dotted: the best epoch.

    columns: `epoch`, `train.<measure>`, `valid.<measure>`. measures: which ones (an id or a list), all by default.
    """
    known = list(dict.fromkeys(name.split(".", 1)[1] for name in columns if name != "epoch" and name != COUNT))
    if not known:
        raise DataError("plot_history: nothing was measured; set measures_train or measures_valid in the model node.")
    wanted = known if measures is None else [measures] if isinstance(measures, str) else list(measures)
    for name in wanted:
        if name not in known:
            raise UnknownKeyError(f"plot_history: no measure '{name}' in the history.{suggest(str(name), known, 'measures')}")
    lines = [(k, side, name) for k, name in enumerate(wanted) for side in ("valid", "train") if f"{side}.{name}" in columns]
    texts = [{"valid": "validation", "train": "training"}[s] + (f", {n}" if len(wanted) > 1 else "") for _, s, n in lines]
    best = best_epoch is not None and any(side == "valid" for _, side, _ in lines)
    ax = new_axes(ax, 5.0, 3.6, texts + ["best epoch"] * best)
    epochs = columns["epoch"]
    for (k, side, name), text in zip(lines, texts, strict=True):
        dashes, mark = {"valid": "-", "train": "--"}[side], "o" if len(epochs) == 1 else None
        ax.plot(epochs, columns[f"{side}.{name}"], label=text, color=COLOURS[k % len(COLOURS)], linestyle=dashes, marker=mark)
    if best:
        ax.axvline(best_epoch, color=QUIET, linestyle=":", linewidth=1.2, label=f"best epoch ({best_epoch})")
    finish(ax, x="epoch", y=wanted[0] if len(wanted) == 1 else "score")
    ax.xaxis.get_major_locator().set_params(integer=True)
    legend(ax)
    return ax


# ---------------------------------------------------------------- benchmarks


def plot_scores(table: Any, measure: str, label: str, ax: Any = None) -> Any:
    """Boxes of a score with a dot for each iteration: a row for each learner, a block of rows for each task.

    table: what `result.score()` returns, polars. Learners have one colour in all blocks. Scores that are missing are left out.
    """
    blocks = _blocks(table, measure)
    learners = list(dict.fromkeys(table["learner_id"].to_list()))
    rows = [(name, values) for block in blocks.values() for name, values in block.items()]
    heads = len(blocks) if len(blocks) > 1 else 0
    ax = new_axes(ax, 6.4, 1.0 + 0.34 * (len(rows) + heads))
    ticks, y = list[tuple[float, str]](), 0.0
    for head, block in blocks.items():
        if heads:
            y += 0.35
            ax.annotate(head, (0, y), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center",
                        fontweight="bold", fontsize="small")  # fmt: skip
            y += 0.9
        for name, values in block.items():
            _box(ax, y, values, COLOURS[learners.index(name) % len(COLOURS)])
            ticks.append((y, name))
            y += 1
    ax.set_yticks([at for at, _ in ticks], [short(name) for _, name in ticks])
    ax.set_ylim(y - 0.4, -0.6 if not heads else -0.2)
    ax.tick_params(axis="y", length=0)
    head = "" if heads or not blocks else next(iter(blocks))
    return finish(ax, x=label, y="", title=head, grid="x")


def _blocks(table: Any, measure: str) -> dict[str, dict[str, np.ndarray]]:
    """The defined scores of each learner, by task (and resampling, where there are several)."""
    several = table["resampling_id"].n_unique() > 1
    blocks: dict[str, dict[str, Any]] = {}
    for row in table.select("task_id", "resampling_id", "learner_id", measure).iter_rows():
        head = f"{row[0]}, {row[1]}" if several else row[0]
        blocks.setdefault(head, {}).setdefault(row[2], []).append(np.nan if row[3] is None else row[3])
    return {h: {n: np.array([v for v in vs if np.isfinite(v)]) for n, vs in block.items()} for h, block in blocks.items()}


def _box(ax: Any, y: float, values: np.ndarray, colour: str) -> None:
    """A box (from four values on) behind its dots, which are set apart a little."""
    boxed = len(values) >= 4
    if boxed:
        line = {"color": colour, "linewidth": 1.2}
        ax.boxplot(
            values, positions=[y], widths=0.62, orientation="horizontal", manage_ticks=False, showfliers=False, patch_artist=True,
            boxprops={"edgecolor": colour, "facecolor": "white"}, whiskerprops=line, capprops=line,
            medianprops={"color": colour, "linewidth": 2.2},
        )  # fmt: skip
    shift = np.linspace(-0.16, 0.16, len(values)) if len(values) > 1 else np.zeros(len(values))
    ax.scatter(
        values, y + np.random.default_rng(0).permutation(shift), s=14 if boxed else 30, color=colour, alpha=0.65, lw=0, zorder=3
    )
