"""The text of `--help`: how to call the command, every key and its meaning, and the configs there are."""

import textwrap

from pydantic.fields import FieldInfo

from rnn_jax.config.config_files import available, describe
from rnn_jax.config.messages import allowed, choices_of
from rnn_jax.config.rules import Only
from rnn_jax.config.schema import KEYS, SECTIONS

USAGE = """\
Trains a recurrent network, or evaluates a trained one.

usage: python -m rnn_jax.main --config FILE[:VARIANT[,VARIANT]] [--config.SECTION.KEY=VALUE ...]
                              [--workdir DIR] [--mode train|eval] [--checkpoint best|latest]

  --config FILE:VARIANT     the config, and variants of it, applied from left to right
  --config.SECTION.KEY=V    another value for a key: a number, true, false, None, a list, or text
  --workdir DIR             the run folder (default: runs/<config>/<date-time>); where it holds a run, the
                            same command, or --workdir alone, goes on with it
  --mode train|eval         eval: the figures of a run folder's checkpoint (default: train)
  --checkpoint best|latest  which checkpoint --mode eval takes (default: best)
  --help, -h                this text

exit status: 0 finished, 1 a bug, 2 wrong input, 3 diverged, 4 no valid checkpoint, 5 disk or memory full,
130, 143 or 138 stopped by SIGINT (Ctrl-C), SIGTERM or SIGUSR1 with a checkpoint written
"""
WIDTH = 110


def help_text() -> str:
    """The whole text."""
    keys = "\n\n".join(_section(name) for name in SECTIONS)
    return f"{USAGE}\nkeys (--config.SECTION.KEY=VALUE):\n\n{keys}\n\nconfigs:\n\n{_configs()}\n"


def _section(name: str) -> str:
    model = SECTIONS[name]
    lines = [f"  {name}: {model.__doc__}"]
    for key, field in model.model_fields.items():
        head, values = f"    .{key:<28}{field.description}", f"[{allowed(field)}{_kinds(name, field)}]"
        together = f"{head} {values}"
        wrapped = textwrap.wrap(values, WIDTH, initial_indent=" " * 33, subsequent_indent=" " * 34)
        lines += [together] if len(together) <= WIDTH else [head, *wrapped]
    return "\n".join(lines)


def _kinds(section: str, field: FieldInfo) -> str:
    """For which kinds the key is, if not for all: these, or all but those, whichever are fewer."""
    text = ""
    for mark in (mark for mark in field.metadata if isinstance(mark, Only)):
        decider = KEYS[mark.key if "." in mark.key else f"{section}.{mark.key}"]
        others = [kind for kind in choices_of(decider.annotation) if kind not in mark.kinds]
        only = len(mark.kinds) <= len(others)
        kinds = " or ".join(mark.kinds if only else others)
        text += f", {'only' if only else 'not'} with {mark.key} = {kinds}"
    return text


def _configs() -> str:
    lines = []
    for path in available():
        try:
            summary, variants = describe(path)
        except (OSError, SyntaxError) as error:
            summary, variants = f"cannot be read: {error}", {}
        lines.append(_entry(f"  {path}", summary, 28))
        lines += [_entry(f"    :{name}", text, 28) for name, text in variants.items()]
    return "\n".join(lines or ["  none, neither in configs/ of this folder nor beside the package"])


def _entry(head: str, text: str, indent: int) -> str:
    text = text or "(no docstring)"
    return textwrap.fill(text, WIDTH, initial_indent=f"{head:<{indent - 1}} ", subsequent_indent=" " * indent)
