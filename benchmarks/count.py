"""Count the lines that hold code: no blank lines, comments or docstrings.

    python benchmarks/count.py                   # src, rules, scripts, by folder
    python benchmarks/count.py --against FOLDER  # beside another checkout

A line counts where a token of code lies on it; a string that stands alone as a statement is a docstring. Rule files are
read as Python reads them, which Snakemake's own words do not hinder.
"""

import argparse
import io
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PLACES = ("src", "rules", "scripts", "Snakefile")
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(text):
    """Count the lines of a text that hold code."""
    lines, statement = set(), []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _NO_CODE:
            statement.append(token)
        elif token.type in (tokenize.NEWLINE, tokenize.ENDMARKER):
            if [t.type for t in statement] != [tokenize.STRING]:
                for t in statement:
                    lines.update(range(t.start[0], t.end[0] + 1))
            statement = []
    return len(lines)


def count(root):
    """Count them by folder.

    Parameters
    ----------
    root : pathlib.Path
        A checkout.

    Returns
    -------
    collections.Counter
        By first two parts of a path.
    """
    found = Counter()
    for place in PLACES:
        path = root / place
        files = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in files:
            if file.suffix in (".py", ".smk") or file.name == "Snakefile":
                parts = file.relative_to(root).parts
                folder = "/".join(parts[:3]) if parts[0] == "src" and len(parts) > 3 else parts[0]
                found[folder] += code_lines(file.read_text(encoding="utf-8"))
    return found


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", type=Path, help="another checkout")
    options = parser.parse_args()
    here = count(ROOT)
    there = count(options.against) if options.against else Counter()
    for folder in sorted({*here, *there}):
        print(f"{folder:32} {here[folder]:7,}" + (f" {there[folder]:7,}" if there else ""))
    total, other = here.total(), there.total()
    print(
        f"{'all':32} {total:7,}"
        + (f" {other:7,} {100 * (total / other - 1):+.1f} %" if other else "")
    )


if __name__ == "__main__":
    main()
