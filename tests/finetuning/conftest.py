"""Makes the toy model's fixtures known to the tests of this folder."""

from toy import toy, toy_gallery, toy_vocabulary  # noqa: F401
