"""Saving and loading without pickle: one safetensors file that holds JSON (specification, states, versions) and arrays.

A file is data in a closed vocabulary, described in `docs/saving.md`: nothing in it is called, imported or looked up by a
name that the file chose. `codecs` is the registry that the rooms above fill (`@savable`, `saved_as`), `encoder` and
`decoder` turn values into JSON and back, `declared` checks them, `container` is the file, `format1` reads version 0.1.0's.
"""

from pipeops.saving.codecs import SavedNames, savable, saved_as, saved_names
from pipeops.saving.container import FORMAT, read, versions, write
from pipeops.saving.decoder import Decoder
from pipeops.saving.encoder import Encoder

__all__ = ["FORMAT", "Decoder", "Encoder", "SavedNames", "read", "savable", "saved_as", "saved_names", "versions", "write"]
