"""Recurrent layers over `(batch, time, features)` that answer one tensor: the last step, or all of them.

The parameters and what they compute are those of `torch.nn.RNN`, `GRU` and `LSTM`, under the same names. Backwards, the last
step is the first in time: `bidirectional` answers the two last steps beside one another.
"""

from typing import Any

import torch


def _picked(output: torch.Tensor, bidirectional: bool, return_sequences: bool) -> torch.Tensor:
    """All steps, or the last one of each direction."""
    if return_sequences:
        return output
    if not bidirectional:
        return output[:, -1]
    size = output.shape[-1] // 2
    return torch.cat([output[:, -1, :size], output[:, 0, size:]], dim=-1)


class RNN(torch.nn.RNN):
    """An Elman network (Elman 1990).

    >>> RNN(3, 4)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        return_sequences: bool = False,
    ):
        super().__init__(
            input_size, hidden_size, num_layers, nonlinearity, bias, True, dropout=dropout, bidirectional=bidirectional
        )
        self.return_sequences = return_sequences

    def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        return _picked(super().forward(x)[0], self.bidirectional, self.return_sequences)


class GRU(torch.nn.GRU):
    """Gated recurrent units (Cho et al. 2014).

    >>> GRU(3, 4, return_sequences=True)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        return_sequences: bool = False,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, True, dropout, bidirectional)
        self.return_sequences = return_sequences

    def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        return _picked(super().forward(x)[0], self.bidirectional, self.return_sequences)


class LSTM(torch.nn.LSTM):
    """Long short-term memory (Hochreiter & Schmidhuber 1997).

    >>> LSTM(3, 4, bidirectional=True)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 8])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        return_sequences: bool = False,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias, True, dropout, bidirectional, proj_size)
        self.return_sequences = return_sequences

    def forward(self, x: torch.Tensor) -> Any:  # type: ignore[override]
        return _picked(super().forward(x)[0], self.bidirectional, self.return_sequences)
