"""A picture of strangers as one of ours: a JPEG or PNG of a known size that every mail reader shows (A-13, A-16)."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

WIDEST = 1_200  # pixels: twice the width of a mail, for dense screens
HIGHEST = 2_400
MOST_PIXELS = 40_000_000  # before a picture is decoded: more take too much memory
SMALLEST = 8  # pixels a side: less is a counter, not a picture
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
_QUALITY = 82


@dataclass(frozen=True)
class Made:
    """The picture anew, without what its file said beside it (place, camera); `kind` is jpg or png."""

    content: bytes
    kind: str
    width: int
    height: int

    @property
    def sha256(self) -> str:
        """The name that it is served under."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Unusable:
    """Why there is no picture: the rest of a sentence."""

    why: str


def made(body: bytes) -> Made | Unusable:
    """The picture in `body`, at most 1,200 pixels wide, never enlarged; of a moving one the first frame.

    Its size is looked at before anything is decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns at its own limit, and of odd metadata
            with Image.open(BytesIO(body), formats=FORMATS) as image:
                return _refusal(image.size) or _anew(image)
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return Unusable("it is no picture that we know, or far too large")
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, IndexError, TypeError, OverflowError):
        return Unusable("the picture is damaged")


def _refusal(size: tuple[int, int]) -> Unusable | None:
    width, height = size
    if width * height > MOST_PIXELS:
        return Unusable(f"it has {width:,} x {height:,} pixels, more than {MOST_PIXELS:,}")
    if min(width, height) < SMALLEST:
        return Unusable(f"it has only {width} x {height} pixels")
    return None


def _anew(image: Image.Image) -> Made:
    if image.format == "JPEG":
        image.draft("RGB", (WIDEST, HIGHEST))  # decoded at a fraction of its size where that is enough
    image.load()
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image)
    see_through = upright.has_transparency_data
    plain = upright.convert("RGBA" if see_through else "RGB")
    if see_through and plain.getchannel("A").getextrema() == (255, 255):
        see_through, plain = False, plain.convert("RGB")
    plain.thumbnail((WIDEST, HIGHEST), Image.Resampling.LANCZOS)
    out = BytesIO()
    # A profile of colours fits only the pixels it came with.
    kept = {"icc_profile": profile} if profile and upright.mode in ("RGB", "RGBA") else {"icc_profile": None}
    if see_through:
        plain.save(out, "PNG", optimize=True, **kept)
    else:
        plain.save(out, "JPEG", quality=_QUALITY, optimize=True, progressive=True, **kept)
    return Made(out.getvalue(), "png" if see_through else "jpg", *plain.size)
