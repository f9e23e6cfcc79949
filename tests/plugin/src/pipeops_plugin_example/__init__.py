"""A plugin of pipeops: the entry point names this module, and importing it registers what it holds."""

from pipeops import po
from pipeops.ops import Preprocess, operator
from pipeops.params import real


@po.add("winsorize")
@operator
class Winsorize(Preprocess):
    """Pull values outside the quantiles `[share, 1 - share]` of training to these.

    >>> from pipeops import as_task_regr
    >>> task = as_task_regr({"x": [0.0, 1.0, 2.0, 3.0, 100.0], "y": [1, 2, 3, 4, 5]}, target="y")
    >>> Winsorize(share=0.25).train([task])[0][0].matrix().ravel().tolist()
    [1.0, 1.0, 2.0, 3.0, 3.0]
    """

    kinds = ("numeric",)
    share: float = real(0, 0.5, default=0.05)

    def fit(self, frame, target):
        known = {c.name: c.drop_nulls() for c in frame.iter_columns()}
        return {n: (c.quantile(self.share, "nearest"), c.quantile(1 - self.share, "nearest")) for n, c in known.items() if len(c)}

    def apply(self, frame, state):
        columns = (frame.get_column(name).clip(low, high) for name, (low, high) in state.items())
        return frame.with_columns(*columns) if state else frame
