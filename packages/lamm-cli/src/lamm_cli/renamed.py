"""Options that had another name once: the old one still works, and a note on stderr says the new one."""

from collections.abc import Callable, Sequence

# Commands, the old name, and the words that stand for it now; a name without any leaves its value as an argument.
_RENAMED: tuple[tuple[tuple[str, ...], str, tuple[str, ...]], ...] = (
    (("metrics score", "metrics compare", "metrics conventions", "metrics judge"), "--references", ("--benchmark",)),
    (("model predict", "model chat", "model serve", "metrics lmms-eval"), "--max-new-tokens", ("--max-tokens",)),
    (("data untile",), "--records", ("--benchmark",)),
    (("data render",), "--objects", ("--annotations",)),
    (("data convert",), "--skip-missing", ("--media", "skip-missing")),
    (("data check",), "--near-duplicates", ("--similarity",)),
    (("data dedup",), "--threshold", ("--similarity",)),
    (("data view",), "--limit", ("--sample",)),
    (("data export",), "--format", ("--to",)),
    (("data export",), "--license", ("--use",)),
    (("data generate",), "--config", ()),
    (("data templates generate",), "--task", ("--definition",)),
    (("data sample",), "--benchmark-fraction", ("--benchmark-share",)),
    (("model export",), "--split", ("--each-adapter",)),
)
_NEW = {(command, old): new for commands, old, new in _RENAMED for command in commands}
_DEEPEST = 3


def with_new_names(words: Sequence[str], tell: Callable[[str], object]) -> list[str]:
    """Return the words of a command line with the options called as they are now.

    Args:
        words: What follows `lamm`.
        tell: Called with a line for each old name.
    """
    commands = [" ".join(words[:depth]) for depth in range(1, _DEEPEST + 1)]
    found: list[str] = []
    for at, word in enumerate(words):
        if word == "--":
            return [*found, *words[at:]]
        old, equals, value = word.partition("=")
        new = next((_NEW[command, old] for command in commands if (command, old) in _NEW), None)
        if new is None:
            found.append(word)
            continue
        tell(f"Note: {old} is now {' '.join(new) or 'an argument of its own'}.")
        found += [*new[:-1], f"{new[-1]}={value}"] if equals and new else [value] if equals else new
    return found
