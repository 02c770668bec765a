"""Makes azura-learner/tests/pictures.zip: PNG pictures and their zip as Python's zlib and zipfile write them, and beside
them what a reader has to pass over.

    python3 scripts/pictures.py
"""
import struct, zipfile, zlib
from pathlib import Path


def png(width, colour, rows):
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, len(rows), 8, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes(row) for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


GREY, RGB = 0, 2
files = {
    "set/dog/b.png": png(2, GREY, [[0, 50], [100, 255]]),
    "set/cat/a.PNG": png(2, RGB, [[10, 20, 30, 40, 50, 60], [70, 80, 90, 255, 0, 128]]),
    "set/dog/wide.png": png(4, GREY, [[0, 0, 100, 100]] * 4),
    "set/dog/.hidden.png": b"no picture",
    "set/readme.txt": b"no picture",
    "__MACOSX/set/dog/b.png": b"no picture",
}
out = Path(__file__).parent.parent / "azura-learner" / "tests" / "pictures.zip"
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, data in files.items():
        archive.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
