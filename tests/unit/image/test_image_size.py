"""An image whose disk is larger than the site allows is refused before anything is uploaded."""

import pytest

from farswitch.errors import ConfigError
from farswitch.guests.base_image import check_size

GIB = 1 << 30


@pytest.mark.parametrize("size", [0, GIB, 4 * GIB])
def test_disk_up_to_the_sites_size_is_taken(size):
    check_size(size, 4)


@pytest.mark.parametrize("size", [4 * GIB + 512, 1 << 62])
def test_larger_disk_is_refused(size):
    with pytest.raises(ConfigError, match="wanted at most 4 GiB"):
        check_size(size, 4)
