"""The cells, tasks and data sets that a config can name, and how to add one.

An entry has the path of its builder, `module:name`, which is imported when it is used, and its facts: all
that other parts of the package need about that name. A new cell, task or data set is one file and one
entry in `cells.py`, `tasks.py` or `datasets.py`. Outside the package, in a config file or in a module that it
imports, `register_cell`, `register_task` and `register_dataset` add the entry:

    from rnn_jax.catalogue import register_cell

    register_cell("ugrnn", "my_cells:UGRNN", gates=2, state_kernels=("hz", "hc"))

No module here imports JAX.
"""

from rnn_jax.catalogue.cells import CELLS
from rnn_jax.catalogue.datasets import DATASETS
from rnn_jax.catalogue.registration import register_cell, register_dataset, register_task
from rnn_jax.catalogue.tasks import TASKS

__all__ = ["CELLS", "DATASETS", "TASKS", "register_cell", "register_dataset", "register_task"]
