"""The text of `--help`: usage, every key with its default, and the available configs."""

import textwrap

from rnn_jax.config.config_files import available, defaults, describe
from rnn_jax.config.messages import allowed, choices_of
from rnn_jax.config.rules import only_of
from rnn_jax.config.schema import SECTIONS, Config, keys

USAGE = """\
Trains a recurrent network, or evaluates a trained one.

usage: python -m rnn_jax.main --config FILE[:VARIANT[,VARIANT]] [--config.SECTION.KEY=VALUE ...]
                              [--workdir DIR] [--mode train|eval] [--checkpoint best|latest]
                              [--plugin MODULE_OR_FILE]

  --config FILE:VARIANT     the config, and its variants, applied from left to right; a bare name is a
                            packaged config, `mnist` is configs/mnist.py
  --config.SECTION.KEY=V    another value for a key: a number, true, false, None, a list, or text
  --workdir DIR             the run folder (default: runs/<config>/<date-time>); if it holds a run, the same
                            command, or --workdir alone, resumes it
  --mode train|eval         eval: compute the metrics of a checkpoint (default: train)
  --checkpoint best|latest  the checkpoint of --mode eval (default: best)
  --plugin MODULE_OR_FILE   register cells, tasks or data sets from outside the package
  --help, -h; --version     show this text; the version

exit status: 0 finished, 1 a bug, 2 wrong input, 3 diverged, 4 no valid checkpoint, 5 disk or memory full,
130, 143, 129, 138, 140 or 152 stopped by SIGINT (Ctrl-C), SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 or SIGXCPU with a
checkpoint written
"""
WIDTH = 110


def help_text() -> str:
    """The whole text."""
    sections = "\n\n".join(_section(name) for name in SECTIONS)
    configs = "\n".join(_configs() or ["  none"])
    return f"{USAGE}\nkeys (--config.SECTION.KEY=VALUE):\n\n{sections}\n\nconfigs:\n\n{configs}\n"


def _section(section: str) -> str:
    lines = [f"  {section}: {getattr(Config.model_fields[section].annotation, '__doc__', '')}"]
    for key, field in keys().items():
        name, mark = key.removeprefix(f"{section}."), only_of(field)
        if name == key:
            continue
        default = defaults()[section].get(name, mark and mark.default)
        details = [allowed(field), *([] if default is None else [f"default {default}"])]
        if mark is not None:  # the choices with which the key applies, or the others if they are fewer
            others = [kind for kind in choices_of(keys()[mark.key].annotation) if kind not in mark.kinds]
            word, kinds = ("only", mark.kinds) if len(mark.kinds) <= len(others) else ("not", others)
            details.append(f"{word} with {mark.key.removeprefix(f'{section}.')} = {' or '.join(kinds)}")
        head, values = f"    .{name:<28}{field.description}", f"[{', '.join(details)}]"
        wrapped = textwrap.wrap(values, WIDTH, initial_indent=" " * 33, subsequent_indent=" " * 34)
        lines += [f"{head} {values}"] if len(f"{head} {values}") <= WIDTH else [head, *wrapped]
    return "\n".join(lines)


def _configs() -> list[str]:
    lines = []
    for path in available():
        try:
            summary, variants = describe(path)
        except (OSError, SyntaxError) as error:
            summary, variants = f"cannot be read: {error}", {}
        texts = {f"  {path}": summary, **{f"    :{name}": text for name, text in variants.items()}}
        for head, text in texts.items():
            head = f"{head:<27} "
            lines.append(textwrap.fill(head + (text or "(no docstring)"), WIDTH, subsequent_indent=" " * 28))
    return lines
