"""Sets what standard input holds with the template that is named, and writes the PDF to standard output."""

import sys

import orjson

from imagebank.paper.typeset import set_pdf

if __name__ == "__main__":
    sys.stdout.buffer.write(set_pdf(sys.argv[1], orjson.loads(sys.stdin.buffer.read())))
