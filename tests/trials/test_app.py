"""`make trial-study`: an application that is built as NPB is, by its recipe, on real guests.

With FARSWITCH_NPB=FOLDER also NPB itself: every archive in that folder.
"""

from __future__ import annotations

import os
import shlex
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from farswitch.apps.recipe import read_recipe
from farswitch.lab import control
from farswitch.lab.addresses import Lab
from tests.documented import run_by
from tests.lab.clusters import ClusterUnderTest
from tests.own_lab import WITH_GUESTS, own_lab

pytestmark = [pytest.mark.trial, pytest.mark.lab, pytest.mark.root]
MAKEFILE = """\
include config/make.def
cg is:
\t$(MPIF77) $(FFLAGS) -o bin/$@.$(CLASS).$(NPROCS) MG/ring.f
"""
RING = """\
      program ring
      implicit none
      include 'mpif.h'
      integer ierr, me, total, sum
      double precision began, ended
      call MPI_Init(ierr)
      call MPI_Comm_rank(MPI_COMM_WORLD, me, ierr)
      call MPI_Comm_size(MPI_COMM_WORLD, total, ierr)
      began = MPI_Wtime()
      call MPI_Allreduce(me, sum, 1, MPI_INTEGER, MPI_SUM,
     $                   MPI_COMM_WORLD, ierr)
      ended = MPI_Wtime()
      if (me .eq. 0) then
        write (*,'(a,f12.6)') ' Time in seconds = ', ended - began
        if (sum .eq. total * (total - 1) / 2) then
          write (*,'(a)') ' Verification    =    SUCCESSFUL'
        else
          write (*,'(a)') ' Verification    =    UNSUCCESSFUL'
        end if
      end if
      call MPI_Finalize(ierr)
      end
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with own_lab("fsa", WITH_GUESTS) as lab:
        control.up(lab)
        yield lab


@pytest.fixture(scope="module")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterUnderTest]:
    """Return a cluster of two guests whose image has the compilers that the recipe asks for."""
    folder = tmp_path_factory.mktemp("app")
    made = ClusterUnderTest("fsa", 9101, "10.98.0", "10.98.1", lab, folder, size=2)
    packages = ", ".join(read_recipe("npb")[1].packages)
    made.write_site(f"image: {{packages: [{packages}]}}")
    made.good("build")
    yield made
    made.run("teardown")


def stand_in(folder: Path) -> Path:
    """Return an archive of sources as NPB 3.3.1 has them."""
    tree = folder / "NPB3.3.1/NPB3.3-MPI"
    files = {"config/make.def.template": "", "MG/ring.f": RING, "Makefile": MAKEFILE}
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    place = folder / "NPB3.3.1.tar.gz"
    with tarfile.open(place, "w:gz") as archive:
        archive.add(folder / "NPB3.3.1", "NPB3.3.1")
    return place


def test_what_the_documents_say_compiles_and_runs(
    cluster: ClusterUnderTest, tmp_path: Path
) -> None:
    metric = read_recipe("npb")[1].metric("is.A.2")
    assert metric is not None
    place = stand_in(tmp_path)
    build, run = (shlex.split(block.commands()[0].line) for block in run_by(__file__))
    assert build[:4] == ["farswitch", "app", "build", "npb"]
    words = [str(place) if word == place.name else word for word in build[3:]]
    programs = cluster.good("app build", *words).document["app"]["programs"]
    assert programs == ["cg.A.2", "cg.A.4", "is.A.2", "is.A.4"]
    ran = cluster.good("exec", *run[2:]).document["nodes"]
    assert metric.read(ran[0]["stdout"]) >= 0, ran


def test_npb_itself_where_it_is_at_hand(cluster: ClusterUnderTest) -> None:
    folder = os.environ.get("FARSWITCH_NPB")
    if not folder:
        pytest.skip("needs FARSWITCH_NPB, a folder with archives of NPB 3.3 or 3.4")
    metric = read_recipe("npb")[1].metric("is.S.2")
    assert metric is not None
    for place in sorted(Path(folder).glob("NPB*.tar*")):
        words = ("--from", str(place), "--set", "BENCHMARKS=cg is", "--set", "RANKS=2")
        app = cluster.good("app build", "npb", *words).document["app"]
        assert len(app["programs"]) == 2
        for program in app["programs"]:
            line = f"mpiexec -n 2 {app['folder']}/bin/{program}"
            ran = cluster.good("exec", "--on", "node1", "--timeout", "600", line)
            assert metric.read(ran.document["nodes"][0]["stdout"]) >= 0, ran.document
