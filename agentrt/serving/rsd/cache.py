"""Key-value cache with addressable slots: tree nodes are written anywhere, accepted ones moved to where they belong."""

from __future__ import annotations

import torch


class SlotCache:
    """The keys and values of every layer, allocated once: [rows, heads, slots, head size].

    It stands where transformers expects a `Cache`: attention layers call `update`. `aim` says beforehand which rows and
    slots the next forward pass writes and how many slots it sees. Shapes stay static from round to round.

    Args:
        rows: requests it can hold.
        slots: positions a request can hold, tree nodes included. The last one is scratch space for padding.
    """

    is_compileable = False

    def __init__(self, rows: int, slots: int) -> None:
        self.rows = rows
        self.slots = slots
        self._keys: list[torch.Tensor] = []
        self._values: list[torch.Tensor] = []
        self._rows: slice | torch.Tensor = slice(0, 0)
        self._index: torch.Tensor | None = None
        self._write: torch.Tensor | None = None
        self._seen = 0

    @property
    def scratch(self) -> int:
        """The slot that padding is written to; nobody but padding reads it."""
        return self.slots - 1

    def aim(self, rows: slice | torch.Tensor, write: torch.Tensor, seen: int) -> None:
        """Prepare a pass over `rows`: it writes their slots `write` [b, n] and reads the first `seen`.

        Neighbouring rows, given as a slice, are read in place; others are gathered into a copy.
        """
        self._rows, self._write, self._seen = rows, write, seen
        index = torch.arange(rows.start, rows.stop, device=write.device) if isinstance(rows, slice) else rows
        self._index = index[:, None]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store a layer's new keys and values [b, heads, n, size]; returns what it reads, [b, heads, seen, size]."""
        del args, kwargs
        assert self._write is not None and self._index is not None, "aim before each forward pass"
        while len(self._keys) <= layer_idx:
            for store, states in ((self._keys, key_states), (self._values, value_states)):
                store.append(states.new_zeros(self.rows, states.shape[1], self.slots, states.shape[3]))
        keys, values = self._keys[layer_idx], self._values[layer_idx]
        keys[self._index, :, self._write] = key_states.transpose(1, 2)
        values[self._index, :, self._write] = value_states.transpose(1, 2)
        return keys[self._rows, :, : self._seen], values[self._rows, :, : self._seen]

    def move(self, rows: torch.Tensor, source: torch.Tensor, to: torch.Tensor) -> None:
        """Copy slots `source` to slots `to` in `rows` [b]; both [b, k]. All are read before any is written."""
        index = rows[:, None]
        for store in (*self._keys, *self._values):
            store[index, :, to] = store[index, :, source].clone()

    def copy_row(self, source: int, to: int) -> None:
        """Copy a whole row."""
        for store in (*self._keys, *self._values):
            store[to] = store[source]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Slots in use, as transformers asks for it; positions and masks are always given, so nothing depends on it."""
        del layer_idx
        return self._seen

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        """Length and offset of what a pass of `query_length` tokens reads."""
        del query_length, layer_idx
        return self._seen, 0
