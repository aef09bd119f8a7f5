"""The text of `--help`: usage, every key with its default, and the available configs."""

import textwrap

from pydantic.fields import FieldInfo

from rnn_jax.config.config_files import available, defaults, describe
from rnn_jax.config.messages import allowed, choices_of
from rnn_jax.config.rules import ALWAYS, kinds_of, only_of
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
  --help, -h                show this text

exit status: 0 finished, 1 a bug, 2 wrong input, 3 diverged, 4 no valid checkpoint, 5 disk or memory full,
130, 143 or 138 stopped by SIGINT (Ctrl-C), SIGTERM or SIGUSR1 with a checkpoint written
"""
WIDTH = 110


def help_text() -> str:
    """The whole text."""
    sections = "\n\n".join(_section(name) for name in SECTIONS)
    return f"{USAGE}\nkeys (--config.SECTION.KEY=VALUE):\n\n{sections}\n\nconfigs:\n\n{_configs()}\n"


def _section(name: str) -> str:
    lines = [f"  {name}: {getattr(Config.model_fields[name].annotation, '__doc__', '')}"]
    for key, field in keys().items():
        section, _, key = key.partition(".")
        if section != name:
            continue
        default = defaults()[name].get(key, only_of(field).default)
        details = [allowed(field), *([] if default is None else [f"default {default}"]), *_kinds(name, field)]
        head, values = f"    .{key:<28}{field.description}", f"[{', '.join(details)}]"
        wrapped = textwrap.wrap(values, WIDTH, initial_indent=" " * 33, subsequent_indent=" " * 34)
        lines += [f"{head} {values}"] if len(f"{head} {values}") <= WIDTH else [head, *wrapped]
    return "\n".join(lines)


def _kinds(section: str, field: FieldInfo) -> list[str]:
    """The choices with which the key applies, or those with which it does not, whichever are fewer."""
    mark = only_of(field)
    if mark is ALWAYS:
        return []
    decider = keys()[mark.key if "." in mark.key else f"{section}.{mark.key}"]
    applying = kinds_of(field)
    others = [kind for kind in choices_of(decider.annotation) if kind not in applying]
    only = len(applying) <= len(others)
    return [f"{'only' if only else 'not'} with {mark.key} = {' or '.join(applying if only else others)}"]


def _configs() -> str:
    lines = []
    for path in available():
        try:
            summary, variants = describe(path)
        except (OSError, SyntaxError) as error:
            summary, variants = f"cannot be read: {error}", {}
        lines.append(_entry(f"  {path}", summary, 28))
        lines += [_entry(f"    :{name}", text, 28) for name, text in variants.items()]
    return "\n".join(lines or ["  none"])


def _entry(head: str, text: str, indent: int) -> str:
    text = text or "(no docstring)"
    return textwrap.fill(text, WIDTH, initial_indent=f"{head:<{indent - 1}} ", subsequent_indent=" " * indent)
