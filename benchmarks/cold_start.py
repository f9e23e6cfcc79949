"""A cold process beside one that only does `import torch`: import and a first small training, and import with a first node.

Run `python benchmarks/cold_start.py [rounds]`. Each round starts two processes, paired; the median of the ratios is shown. The
package is compiled before, as an installed one is.
"""

import os
import statistics
import subprocess
import sys
import time

ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
BAR = 1.30
IMPORT_BAR = 0.17
TORCH = "import torch"
NODE = "from pipeops import as_learner, nn, po, tsk; po('scale')"
TRAIN = """
from pipeops import as_learner, as_task_classif, nn, po
task = as_task_classif({{"x": [float(i) for i in range(64)], "y": ["a", "b"] * 32}}, target="y")
graph = (po("torch_ingress_num") >> nn("linear", out_features=16) >> nn("relu") >> nn("head")
         >> po("torch_loss", loss="cross_entropy") >> po("torch_optimizer", optimizer="{optimizer}")
         >> po("torch_model_classif", epochs=3, batch_size=16))
as_learner(graph).train(task)
"""


def seconds(code: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def main(rounds: int = 7) -> None:
    cases = [(f"import and a first training with {o}", TRAIN.format(optimizer=o), BAR) for o in ("adam", "sgd")]
    for name, code, bar in [*cases, ("import and a first node", NODE, IMPORT_BAR)]:
        seconds(code)
        ratios = [seconds(code) / seconds(TORCH) for _ in range(rounds)]
        print(f"{name}: {statistics.median(ratios):.2f} of `import torch` (bar {bar:.2f})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
