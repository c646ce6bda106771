"""Which rows make an update: a function of the seed and of the update's number, so that a resumed run goes on alike."""

import numpy as np

from doctor.trainer.data import Array


class Order:
    """The rows of each update; every epoch goes through them in another order.

    Parameters
    ----------
    rows : int
        Rows to be drawn from.
    batch : int
        Rows of one update, over all ranks and micro-batches.
    classes : ndarray, shape (rows,), optional
        Draw rows with replacement, all classes equally often.
    """

    def __init__(self, rows: int, batch: int, seed: int, classes: Array | None = None) -> None:
        self.rows, self.batch, self.seed = rows, batch, seed
        self._epochs: dict[int, Array] = {}
        self._shares = None
        if classes is not None:
            _, codes, counts = np.unique(classes, return_inverse=True, return_counts=True)
            self._shares = 1 / counts[codes] / len(counts)

    def of(self, step: int) -> Array:
        """Return the rows of an update, counted from 0."""
        places = np.arange(step * self.batch, (step + 1) * self.batch)
        epochs = places // self.rows
        return np.concatenate([self._epoch(epoch)[places[epochs == epoch] % self.rows] for epoch in np.unique(epochs)])

    def _epoch(self, epoch: int) -> Array:
        if epoch not in self._epochs:
            generator = np.random.default_rng((self.seed, epoch))
            drawn = (
                generator.permutation(self.rows)
                if self._shares is None
                else generator.choice(self.rows, self.rows, p=self._shares)
            )
            self._epochs = {**{old: rows for old, rows in self._epochs.items() if old == epoch - 1}, epoch: drawn}
        return self._epochs[epoch]
