"""`imagebank exams`: what the bank makes of the words of exams."""

from cyclopts import App

from imagebank.cli.console import ALL_WELL, HERE, Common, WrongUsage, bank_of, operator, say

app = App(name="exams", help="What the bank makes of the words of exams: unknown.")
_COLUMNS = ("word", "studies", "group")


@app.command
def unknown(*, common: Common = HERE, studies: int = 200_000, limit: int = 100) -> int:
    """List words of exams that no table knows, the most frequent first, to be told in the file of `exams_file`.

    A word is listed when it stands in studies of three different persons: a name of one is not. Words with digits, and
    words of a patient's own name, are left out.

    Example: imagebank exams unknown --limit 20 --data /srv/imagebank

    Parameters
    ----------
    studies
        Look at so many studies at most, the last that came first.
    limit
        How many words at most.
    """
    from imagebank.actions import unknown_words

    if not (1 <= studies <= unknown_words.MOST_STUDIES and 1 <= limit <= 10_000):
        raise WrongUsage("look at 1 to 200,000 studies, and list 1 to 10,000 words")
    with bank_of(common) as bank:
        found = unknown_words.unknown(bank, operator(bank), studies, limit)
    say(common, [{"word": one.word, "studies": one.studies, "group": one.group} for one in found], _COLUMNS)
    return ALL_WELL
