"""The guest's root tree: made by mmdebstrap, finished by us."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from farswitch.errors import ConfigError, FarswitchError
from farswitch.image.recipe import GUEST, Recipe

Progress = Callable[[str], None]
TAIL = 12
"""Lines of a failed program's output that its error carries."""
FINALIZE = "/usr/local/lib/farswitch/libfinalize.so"
"""Where the library lies in the guest that lets MPI jobs end."""
UNKNOWN = re.compile(r"Unable to locate package (\S+)")
"""What apt says of a name that is no package's."""
UNWANTED = ("doc", "man", "info", "locale", "i18n", "lintian", "bug")
"""Folders of /usr/share that no guest needs."""
ISOLATED = (
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
"""What a chroot mounts and starts ends with this process, however that ends."""


class ImageError(FarswitchError):
    """A program that makes the image failed; `tail` holds the end of its output."""

    def __init__(self, program: str, status: int, tail: str, *, hint: str = "") -> None:
        super().__init__(
            f"'{program}' failed with status {status} while the guest image was made. "
            f"It ended with:\n{tail}",
            hint=hint,
        )
        self.program = program
        self.status = status
        self.tail = tail


def run(argv: Sequence[str], progress: Progress | None = None, *, stdin: bytes = b"") -> None:
    """Run a program that must succeed.

    Args:
        argv: The program and its arguments.
        progress: Gets each line that the program prints.
        stdin: What the program reads; small, since it is written before the output is read.

    Raises:
        ImageError: The program's status was not 0, or it is not installed.
    """
    tail: deque[str] = deque(maxlen=TAIL)
    program = next(word for word in argv if word not in ISOLATED)
    try:
        process = subprocess.Popen(
            list(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    except FileNotFoundError as error:
        raise ImageError(program, 127, str(error), hint=f"Install '{argv[0]}'.") from error
    with process:
        try:
            _pump(process, stdin, tail, progress)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode:
        raise ImageError(program, process.returncode, "\n".join(tail))


def _pump(
    process: subprocess.Popen[bytes], stdin: bytes, tail: deque[str], progress: Progress | None
) -> None:
    assert process.stdin is not None  # noqa: S101 - Popen was asked for both pipes
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(stdin)
    process.stdin.close()
    for raw in process.stdout:
        line = raw.decode(errors="replace").rstrip()
        tail.append(line)
        if progress:
            progress(line)


def make(recipe: Recipe, target: Path, progress: Progress) -> None:
    """Make the tree that both kinds of image share, in a folder that does not exist yet.

    Raises:
        ConfigError: The system's archive has no package of that name.
        ImageError: A package could not be had or configured.
    """
    sources = [str(path) for path in _sources(recipe) if path.exists() and path.stat().st_size]
    excludes = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNWANTED]
    argv = (
        *(*ISOLATED, "mmdebstrap", "--mode=root", "--variant=apt"),
        '--aptopt=APT::Install-Recommends "false"',
        f"--components={recipe.components}",
        f"--include={','.join(recipe.packages)}",
        *(*excludes, recipe.suite, str(target), *sources),
    )
    try:
        run(argv, progress)
    except ImageError as error:
        if unknown := UNKNOWN.search(error.tail):
            raise ConfigError(
                f"The archive of '{recipe.system}' '{recipe.suite}' has no package '{unknown[1]}'.",
                hint="Correct 'image.packages' in the site's defaults.yaml.",
            ) from error
        raise
    _add_python_packages(target)
    _alias_mpi(target)
    _compile_finalize(target)
    lay_over(GUEST / "common", target)
    run(("chroot", str(target), "systemctl", "disable", "nfs-server.service"))
    for key in (target / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    (target / "etc/machine-id").write_bytes(b"")
    (target / "etc/hostname").unlink(missing_ok=True)
    (target / "etc/resolv.conf").unlink(missing_ok=True)


def lay_over(overlay: Path, target: Path) -> None:
    """Copy our files over the tree, owned by root and readable by all."""
    for source in sorted(overlay.rglob("*")):
        destination = target / source.relative_to(overlay)
        if source.is_dir():
            destination.mkdir(mode=0o755, exist_ok=True)
        else:
            destination.unlink(missing_ok=True)
            shutil.copyfile(source, destination)
            destination.chmod(0o644)


def _sources(recipe: Recipe) -> tuple[Path, ...]:
    """Where this system keeps its own archive's address; nobody else's repository is used."""
    apt = Path("/etc/apt")
    return (apt / "sources.list", apt / "sources.list.d" / f"{recipe.system}.sources")


def _add_python_packages(target: Path) -> None:
    """Install the pinned wheels with this Python's pip for the tree's Python."""
    name = (target / "usr/bin/python3").readlink().name
    run(
        (
            *(sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary=:all:"),
            *("--require-hashes", "--root-user-action=ignore", "--no-compile", "--quiet"),
            *("--python-version", name.removeprefix("python"), "--implementation=cp"),
            *("--platform=manylinux_2_5_x86_64", "--platform=manylinux2014_x86_64"),
            *("--target", str(target / "usr/local/lib" / name / "dist-packages")),
            *("-r", str(GUEST / "python-packages")),
        )
    )


def _compile_finalize(target: Path) -> None:
    """Add the library that MPI programs preload, see `guest/finalize.c`."""
    library = target / FINALIZE.lstrip("/")
    library.parent.mkdir(mode=0o755, parents=True)
    flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    run(("cc", *flags, "-o", str(library), str(GUEST / "finalize.c"), "-ldl", "-lpthread"))


def _alias_mpi(target: Path) -> None:
    """Give MPICH's library the name that its ABI has everywhere but on Debian."""
    for library in (target / "usr/lib").glob("*/libmpich.so.12"):
        alias = library.with_name("libmpi.so.12")
        if not alias.is_symlink():
            alias.symlink_to(library.name)
