"""The other optimizers of `torch.optim` by key, each around torch's own object, with torch's names and defaults.

Neighbours: shelf has those that update in one call; base has the machinery.
"""

from typing import Any, ClassVar

import torch

from pipeops.net.optimizers.base import TorchOptimizer, by_groups, optimizer
from pipeops.net.optimizers.by_node import by_node
from pipeops.net.optimizers.fused import Stepper
from pipeops.net.optimizers.shelf import betas_field
from pipeops.params import anything, choice, flag, integer, real
from pipeops.shorthand import t_opt


class OfTorch(TorchOptimizer):
    """What these share: the settings are those of the torch class."""

    torch_class: ClassVar[Any]

    def stepper(self, network: torch.nn.Module) -> Stepper:
        """A stepper around an instance of the torch class."""
        return by_groups(self, type(self).torch_class, network, dict(self.params.items()))


@t_opt.add("adadelta")
@optimizer
class Adadelta(OfTorch):
    """Adadelta: steps from the size of past steps (Zeiler 2012).

    >>> from pipeops import t_opt
    >>> t_opt("adadelta", rho=0.8)
    t_opt("adadelta", rho=0.8)
    """

    torch_class = torch.optim.Adadelta
    lr: float = by_node(0, default=1.0)
    rho: float = by_node(0, 1, default=0.9)
    eps: float = by_node(0, default=1e-6)
    weight_decay: float = by_node(0, default=0.0)
    maximize: bool = flag(False)


@t_opt.add("adafactor")
@optimizer
class Adafactor(OfTorch):
    """Adafactor: second moments by rows and columns, in little memory (Shazeer & Stern 2018).

    >>> from pipeops import t_opt
    >>> t_opt("adafactor", d=2.0)
    t_opt("adafactor", d=2.0)
    """

    torch_class = torch.optim.Adafactor
    lr: float = by_node(0, default=0.01)
    beta2_decay: float = real(None, 0, default=-0.8)
    eps: Any = anything((None, 0.001))
    d: float = real(0, default=1.0)
    weight_decay: float = by_node(0, default=0.0)
    maximize: bool = flag(False)


@t_opt.add("adamax")
@optimizer
class Adamax(OfTorch):
    """Adamax: Adam with the largest gradient in place of the second moment (Kingma & Ba 2015).

    >>> from pipeops import t_opt
    >>> t_opt("adamax", lr=0.01)
    t_opt("adamax", lr=0.01)
    """

    torch_class = torch.optim.Adamax
    lr: float = by_node(0, default=0.002)
    betas: Any = betas_field()
    eps: float = by_node(0, default=1e-8)
    weight_decay: float = by_node(0, default=0.0)
    maximize: bool = flag(False)


@t_opt.add("asgd")
@optimizer
class ASGD(OfTorch):
    """Averaged stochastic gradient descent (Polyak & Juditsky 1992).

    >>> from pipeops import t_opt
    >>> t_opt("asgd", lr=0.1)
    t_opt("asgd", lr=0.1)
    """

    torch_class = torch.optim.ASGD
    lr: float = by_node(0, default=0.01)
    lambd: float = real(0, default=1e-4)
    alpha: float = by_node(0, default=0.75)
    t0: float = real(0, default=1e6)
    weight_decay: float = by_node(0, default=0.0)
    maximize: bool = flag(False)


@t_opt.add("lbfgs")
@optimizer
class LBFGS(OfTorch):
    """L-BFGS, a quasi-Newton method (Liu & Nocedal 1989), which evaluates the loss several times a step: for large batches.

    >>> from pipeops import t_opt
    >>> t_opt("lbfgs", max_iter=5)
    t_opt("lbfgs", max_iter=5)
    """

    torch_class = torch.optim.LBFGS
    lr: float = real(0, default=1.0)
    max_iter: int = integer(1, default=20)
    max_eval: int | None = integer(1, default=None)
    tolerance_grad: float = real(0, default=1e-7)
    tolerance_change: float = real(0, default=1e-9)
    history_size: int = integer(1, default=100)
    line_search_fn: str | None = choice("strong_wolfe", default=None)


@t_opt.add("muon")
@optimizer
class Muon(OfTorch):
    """Muon: momentum made orthogonal (Jordan 2024); for matrices only, so for layers without a bias.

    >>> from pipeops import t_opt
    >>> t_opt("muon", lr=0.02)
    t_opt("muon", lr=0.02)
    """

    torch_class = torch.optim.Muon
    lr: float = by_node(0, default=0.001)
    weight_decay: float = by_node(0, default=0.1)
    momentum: float = by_node(0, 1, default=0.95)
    nesterov: bool = flag(True)
    ns_coefficients: Any = anything((3.4445, -4.775, 2.0315))
    eps: float = by_node(0, default=1e-7)
    ns_steps: int = integer(1, 99, default=5)
    adjust_lr_fn: str | None = choice("original", "match_rms_adamw", default=None)


@t_opt.add("nadam")
@optimizer
class NAdam(OfTorch):
    """NAdam: Adam with Nesterov's momentum (Dozat 2016).

    >>> from pipeops import t_opt
    >>> t_opt("nadam", lr=0.01)
    t_opt("nadam", lr=0.01)
    """

    torch_class = torch.optim.NAdam
    lr: float = by_node(0, default=0.002)
    betas: Any = betas_field()
    eps: float = by_node(0, default=1e-8)
    weight_decay: float = by_node(0, default=0.0)
    momentum_decay: float = real(0, default=0.004)
    decoupled_weight_decay: bool = flag(False)
    maximize: bool = flag(False)


@t_opt.add("radam")
@optimizer
class RAdam(OfTorch):
    """RAdam: Adam whose first steps are rectified (Liu et al. 2020).

    >>> from pipeops import t_opt
    >>> t_opt("radam", lr=0.01)
    t_opt("radam", lr=0.01)
    """

    torch_class = torch.optim.RAdam
    lr: float = by_node(0, default=0.001)
    betas: Any = betas_field()
    eps: float = by_node(0, default=1e-8)
    weight_decay: float = by_node(0, default=0.0)
    decoupled_weight_decay: bool = flag(False)
    maximize: bool = flag(False)


@t_opt.add("rprop")
@optimizer
class Rprop(OfTorch):
    """Rprop: steps from the signs of gradients (Riedmiller & Braun 1993); for full batches.

    >>> from pipeops import t_opt
    >>> t_opt("rprop", lr=0.1)
    t_opt("rprop", lr=0.1)
    """

    torch_class = torch.optim.Rprop
    lr: float = by_node(0, default=0.01)
    etas: Any = anything((0.5, 1.2))
    step_sizes: Any = anything((1e-6, 50))
    maximize: bool = flag(False)


@t_opt.add("sparse_adam")
@optimizer
class SparseAdam(OfTorch):
    """Adam for sparse gradients, of embeddings with `sparse=True` alone.

    >>> from pipeops import t_opt
    >>> t_opt("sparse_adam", lr=0.01)
    t_opt("sparse_adam", lr=0.01)
    """

    torch_class = torch.optim.SparseAdam
    lr: float = by_node(0, default=0.001)
    betas: Any = betas_field()
    eps: float = by_node(0, default=1e-8)
    maximize: bool = flag(False)
