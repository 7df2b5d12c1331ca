"""`imagebank fetch`: what a card of another Imagebank opens is brought in."""

import sys

from imagebank.cli.console import ALL_WELL, HERE, Common, bank_of, operator, tell, typed


def fetch(
    address: str,
    number: str,
    *,
    name: str,
    institution: str,
    purpose: str,
    code: str = "",
    common: Common = HERE,
) -> int:
    """Bring in what a card of another Imagebank opens. The PIN is read from standard input; the worker does the rest.

    Example: imagebank fetch https://harbour.example "7K2M 9QXD 4TRB H0VT" --name "Dr Okafor" --institution "Quay Street Clinic" --purpose Treatment < pin.txt

    Parameters
    ----------
    address
        The other bank.
    number
        The card's number. A mistyped one costs no try.
    name
        Who asks, as the patient is to read it.
    institution
        Where they work.
    purpose
        Why.
    code
        The code that was mailed, where the patient wants one.
    """
    from imagebank.actions import fetching
    from imagebank.http.taking import WEB

    wanted = fetching.Wanted(address, number, sys.stdin.readline(), name, institution, purpose, code)
    with bank_of(common) as bank, typed():
        made = fetching.ask(bank, WEB, wanted, operator(bank))
    words = f"{len(made.studies)} studies are brought in from {made.host}: /desk/fetch/{made.id}"
    tell(common, words, id=made.id, studies=list(made.studies), outcome="waiting")
    return ALL_WELL
