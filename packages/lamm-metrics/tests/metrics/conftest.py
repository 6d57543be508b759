"""Made-up tables of METEOR, laid out as pycocoevalcap has them, so that no test needs that package."""

import gzip
from zipfile import ZipFile

import pytest

MEMBERS = {
    "function/english.words": "the\na\non\n.\n",
    "nonbreaking/english.prefixes": "# titles\nMr\n\nNo #NUMERIC_ONLY#\n",
    "synonym/english.synsets": "cat\n7 8\nfeline\n8\nmouse\n9\nrodent\n9\nrun\n3\njog\n3\ndomestic_cat\n8\n",
    "synonym/english.exceptions": "mouse\nmice\nrun\nran\n",
}
PARAPHRASES = [("red", "dark orange"), ("sits on", "is on"), ("sits on", "rests on"), ("mat", "carpet")]


@pytest.fixture(scope="session")
def installed_tables(tmp_path_factory):
    """Return the folder in which a package pycocoevalcap with these tables lies."""
    root = tmp_path_factory.mktemp("site-packages")
    folder = root / "pycocoevalcap" / "meteor"
    (folder / "data").mkdir(parents=True)
    with ZipFile(folder / "meteor-1.5.jar", "w") as jar:
        for name, text in MEMBERS.items():
            jar.writestr(name, text)
    with gzip.open(folder / "data" / "paraphrase-en.gz", "wt") as stream:
        stream.writelines(f"0.5\n{one}\n{other}\n" for one, other in PARAPHRASES)
    return root


@pytest.fixture(scope="module")
def made_up_meteor(installed_tables, tmp_path_factory):
    """Put the made-up package in front of an installed one, with a cache of its own; return the folder of tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(installed_tables))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield installed_tables / "pycocoevalcap" / "meteor"
