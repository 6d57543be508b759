"""Bring formulas, units and marked-up text into one way of writing, in which no sign, case or symbol is lost."""

import re
import unicodedata

from lamm_metrics.extraction.text.answer import fold

_NAMES = """
alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi varphi
chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega times cdot div pm mp le leq ge geq ne neq approx sim
equiv ll gg cup cap subset subseteq in notin infty circ degree to rightarrow leftarrow Rightarrow partial nabla int sum
prod langle rangle ldots dots cdots hbar ell angle perp parallel setminus
"""
_SIGNS = "αβγδεεζηθικλμνξπρστυφφχψωΓΔΘΛΞΠΣΦΨΩx·÷±∓≤≤≥≥≠≠≈~≡≪≫∪∩⊂⊆∈∉∞°°→→←⇒∂∇∫∑∏⟨⟩………ℏℓ∠⊥∥\\"
_SYMBOLS = dict(zip(_NAMES.split(), _SIGNS, strict=True))
_FONT = r"text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|mathcal|boldsymbol|operatorname|mbox|bm|emph|ce"
_ARGUMENT = re.compile(rf"\\(?:{_FONT})\s?\{{([^{{}}]{{0,200}})\}}")
_FRACTION = re.compile(r"\\[dtc]?frac\s?\{([^{}]{0,80})\}\s?\{([^{}]{0,80})\}|\\[dtc]?frac ?(\d) ?(\d)")
_ROOT = re.compile(r"\\sqrt\s?\{([^{}]{0,80})\}")
_SCRIPT = re.compile(r"([\^_])\{([^{}]{0,40})\}")
_COMMAND = re.compile(r"\\(?:([A-Za-z]{1,20})(?: (?=[A-Za-z0-9]))?|([%$&#_{}\"])|[()\[\],;:!\\]|(?<=\S\\) )")
_DROPPED = {"left", "right", "big", "Big", "displaystyle", "limits", "quad", "qquad", "rm", "bf"}
_ESCAPED = re.compile(r"\\\\(?=[A-Za-z()\[\]%$])")  # a command inside a JSON string
# A pair of dollars is a formula's, as Pandoc reads it; "$5 and $6" is money.
_DOLLARS = re.compile(r"\$\$([^$]{1,300})\$\$|(?<!\\)\$(?=\S)((?:\\\$|[^$\n]){1,300}?)(?<=\S)(?<!\\)\$(?!\d)")
_HIGH = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]{1,20}")
_ACCENTED = re.compile(r"[^\W\d_][\u0300-\u036f]{1,4}")

_LINE_MARK = re.compile(r"^(?:#{1,6} |> |[*•] )", re.MULTILINE)
_BOX = re.compile(r"^[-*•] \[([ xX✓✔])\] ", re.MULTILINE)
_MARKUP_SIGN = re.compile("[*`#>_~<•]")
_PLAIN = re.compile(r"[A-Za-z0-9.,;:!?'\"()/%+=&@-]+(?:[ \n][A-Za-z0-9.,;:!?'\"()/%+=&@-]+)*")
_BOLD = re.compile(r"\*\*(?=\S)([^\n]{1,200}?)(?<=\S)\*\*(?!\*)")
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]{1,200})(?<=\S)\*(?![\w*])")
_UNDERLINED = re.compile(r"(?<![^\W_])_(?=[^\s_])([^_\n]{1,200})(?<=\S)_(?![^\W_])")
_MARKUP = re.compile(
    r"(?<![^\W_])\*{2,3}|\*{2,3}(?![^\W_])|```(?:json|xml|python|text)\b|`{1,3}|"
    r"(?<![^\W_])__|__(?![^\W_])|~~[^~\n]{1,200}~~|"
    r"</?(?:b|i|em|strong|u|p|br|span|div|code|pre|li|ul|ol|h[1-6])\b[^<>]{0,100}>",
    re.MULTILINE,
)


def _of_command(found: re.Match[str]) -> str:
    name, sign = found.groups()
    if name is None:
        return sign or " "
    if name == "boxed":
        return "\\boxed"
    return "" if name in _DROPPED else _SYMBOLS.get(name, f" {name} ")


def _fraction(found: re.Match[str]) -> str:
    over, under = (found[1], found[2]) if found[3] is None else (found[3], found[4])
    sides = (side if re.fullmatch(r"\s?[\w.]*\s?", side) else f"({side})" for side in (over, under))
    return "/".join(side.strip() for side in sides)


def _script(found: re.Match[str]) -> str:
    """Drop the braces around a short exponent or index."""
    content = found[2].strip()
    return found[1] + (content if re.fullmatch(r"\W?\w{0,6}\W?|\\\w{1,10}", content) else f"({content})")


def _without_tex(text: str) -> str:
    for _ in range(3):
        before = text
        for pattern, replacement in ((_ARGUMENT, r"\1"), (_FRACTION, _fraction), (_ROOT, r"√(\1)"), (_SCRIPT, _script)):
            text = pattern.sub(replacement, text)
        if text == before:
            break
    text = _DOLLARS.sub(lambda found: f" {found[1] or found[2]} ", text)
    return _COMMAND.sub(_of_command, text).replace("^°", "°")


def written(text: str, lines: bool = True) -> str:
    r"""Return a text in plain characters, its formulas spelled out and its markup gone.

    Unlike `plain_answer` it keeps what tells options apart: the dollar of a price, the star of a name, raised digits.

    Args:
        text: An option, or the answering part of an output.
        lines: Whether marks at the beginning of a line are markup: headings, quotes, lists.

    Example:
        >>> written(r"**E.** \(\frac{2}{3}\pi\)"), written("-$1,500"), written("10²")
        ('E. 2/3π', '-$1,500', '10^2')
    """
    if _PLAIN.fullmatch(text):
        return text
    if not text.isascii():
        text = _RAISED.sub(lambda found: "^" + found.group().translate(_HIGH), text)
        text = _ACCENTED.sub(lambda found: unicodedata.normalize("NFC", found.group()), text)
    text = fold(text)
    if "\\" in text or "$" in text or "^{" in text or "_{" in text:
        text = _ESCAPED.sub(r"\\", text)
        text = fold(_without_tex(text))
    for mark, pattern in (("**", _BOLD), ("*", _ITALIC), ("_", _UNDERLINED)):
        if mark in text:
            text = pattern.sub(r"\1", text)
    if "[" in text:
        text = _BOX.sub(lambda found: "❌ " if found[1] == " " else "✅ ", text)
    if not _MARKUP_SIGN.search(text):
        return text
    return fold(_MARKUP.sub("", _LINE_MARK.sub("", text) if lines else text))
