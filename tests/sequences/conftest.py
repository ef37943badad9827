"""Property tests here run without a deadline: a first call may import pandas or torch, and machines are shared."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(autouse=True, scope="session")
def private_cache(tmp_path_factory):
    """Unpacked genomes and indices go where nobody else looks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RCVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def shared_data():
    """The real files beside the checkout, read in place; CI has them, another machine may not."""
    folder = Path(__file__).parents[3] / "shared" / "data"
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{folder} is not there, and CI must not skip what it checks")
        pytest.skip(f"{folder} is not there")
    return folder


@pytest.fixture(scope="session")
def shared_peaks(shared_data):
    """Peak files by what they hold."""
    names = {
        "CTCF": "wgEncodeAwgTfbsBroadGm12878CtcfUniPk.narrowPeak.gz",
        "SPI1": "wgEncodeAwgTfbsHaibGm12878Pu1Pcr1xUniPk.narrowPeak.gz",
        "MAX": "wgEncodeAwgTfbsSydhGm12878MaxIggmusUniPk.narrowPeak.gz",
        "DNase": "wgEncodeAwgDnaseUwdukeGm12878UniPk.narrowPeak.gz",
        "CTCF relaxed": "alllabs.GM12878.CTCF.chr17_19_20_21_22_X.bed.gz",
        "SPI1 relaxed": "relaxed.GM12878.SPI1.chr17_19_20_22_X.narrowPeak.gz",
        "MAX relaxed": "relaxed.GM12878.MAX.chr17_19_20_22_X.narrowPeak.gz",
    }
    return {name: shared_data / "peaks" / file for name, file in names.items()}
