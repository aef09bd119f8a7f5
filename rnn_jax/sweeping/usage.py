"""What `python -m rnn_jax.sweep --help` says."""

USAGE = """\
Trains many models, and compares them.

usage: python -m rnn_jax.sweep --config FILE[:VARIANT[,VARIANT]]
                               (--sweep FILE | --grid SECTION.KEY=V1,V2,... [--grid ...]) [--seeds N]
                               [--config.SECTION.KEY=VALUE ...] [--workdir DIR]
                               [--storage URL [--study NAME] [--trials N] [--workers N] [--heartbeat SECONDS]]

  --config FILE:VARIANT     the config that all members share (python -m rnn_jax.main --help lists them)
  --grid SECTION.KEY=V,V    values of a key; several keys in all combinations
  --sweep FILE              a Python file whose get_sweep() says what is varied: a grid, or ranges
  --seeds N                 how often each point is trained, with train.seed and the numbers after it
  --config.SECTION.KEY=V    another value for a key, for all members
  --workdir DIR             the sweep's folder (default: runs/<config>-sweep/<date-time>); where it holds the
                            sweep, the same command, or --workdir alone, goes on with it
  --help, -h                this text

Without --storage all members are trained in this process: those that differ in their seed, or in numbers that
the compiled step takes (rates, decay, clip, dropout, initial scale and biases), are one program, trained at
once; every other difference makes another.

With --storage the sweep is a study in a database, and each point a trial: a process of the ordinary command,
or a population of its seeds. The same command, on this machine or others, takes part in it.

  --storage URL             sqlite:///FILE for one machine, postgresql://USER@HOST/DATABASE for many; a
                            password is best left to PGPASSWORD or ~/.pgpass
  --study NAME              the study's name in the database (default: the config's)
  --trials N                how many points are drawn from ranges (default: the sweep file's num_trials)
  --workers N               processes that take trials here, each on its share of the CPU cores (default: 1)
  --heartbeat SECONDS       how often a worker says that it is at work; the trial of one that missed six is
                            tried again by another, from its checkpoint (default: 10)
  --workdir DIR             as above, with --storage again (default: runs/<config>-sweep/<study>); on several
                            machines a folder that they share

exit status: as of rnn_jax.main
"""
