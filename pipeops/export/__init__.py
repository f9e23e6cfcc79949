"""Trained learners as files that other programs run: ONNX for the whole graph, torch's own format for the network."""

from pipeops.export import value_forms as value_forms
from pipeops.export.file import export

__all__ = ["export"]
