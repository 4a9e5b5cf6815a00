"""Builds the extension pyradsec._core; everything else about the package is in pyproject.toml.

Environment:
  PYRADSEC_DEV=1        warnings are errors, debug information
  PYRADSEC_SANITIZE=…   "address,undefined" or "thread": built for the sanitizers
  PYRADSEC_POLLER=poll  poll(2) instead of epoll(7)
"""

import glob
import os
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

HINT = """
pyradsec needs a C compiler, the headers of Python and those of OpenSSL 3.0 or newer.
On Debian and Ubuntu: apt-get install gcc libc6-dev libssl-dev python3-dev
"""


# The rooms call each other through small functions: link-time optimisation puts those where they are called. Both flags
# together save a tenth of the core's time; a compiler that has only one of them, or none, does without.
FASTER = (["-flto=auto"], ["-fno-plt"])
PROBE = """
__attribute__((visibility("default"))) int rsec_probe(void);
int rsec_probe(void) { return 0; }
"""


class BuildExt(build_ext):
    def is_taken(self, flags: list[str]) -> bool:
        """Whether compiler and linker know `flags`: tried with a file of one function, which has to be in what they
        make. A linker without a plugin for the compiler's intermediate code makes an empty file of it, and says so in
        a warning at most."""
        with tempfile.TemporaryDirectory() as directory:
            source = os.path.join(directory, "probe.c")
            with open(source, "w") as file:
                file.write(PROBE)
            try:
                objects = self.compiler.compile([source], output_dir=directory, extra_postargs=["-Werror", *flags])
                linked = os.path.join(directory, "probe.so")
                self.compiler.link_shared_object(objects, linked, extra_postargs=flags)
            except (CompileError, LinkError):
                return False
            with open(linked, "rb") as file:
                return b"rsec_probe" in file.read()

    def build_extension(self, ext: Extension) -> None:
        header = os.path.join(sysconfig.get_path("include"), "Python.h")
        if not os.path.exists(header):
            raise SystemExit(f"{header}: not found.{HINT}")
        try:
            for flags in FASTER if not os.environ.get("PYRADSEC_SANITIZE") else ():
                if self.is_taken(flags):
                    ext.extra_compile_args += flags
                    ext.extra_link_args += [*flags, "-O3"]
            # One compiler process a core: setuptools itself compiles one file after the other.
            compile_one = self.compiler.compile
            with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
                self.compiler.compile = lambda sources, **kwargs: [
                    made
                    for objects in pool.map(lambda source: compile_one([source], **kwargs), sources)
                    for made in objects
                ]
                super().build_extension(ext)
        except Exception as error:
            raise SystemExit(f"pyradsec._core does not build: {error}{HINT}") from error


def flags() -> tuple[list[str], list[str]]:
    compile_args = ["-std=c11", "-fvisibility=hidden"]
    link_args = []
    if os.environ.get("PYRADSEC_DEV"):
        compile_args += ["-g", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    sanitizers = os.environ.get("PYRADSEC_SANITIZE")
    if sanitizers:
        compile_args += ["-g", "-O1", "-fno-omit-frame-pointer", f"-fsanitize={sanitizers}"]
        link_args += [f"-fsanitize={sanitizers}"]
    else:
        compile_args += ["-O3"]
    if os.environ.get("PYRADSEC_POLLER") == "poll":
        compile_args += ["-DRSEC_POLLER_POLL"]
    return compile_args, link_args


compile_args, link_args = flags()
setup(
    ext_modules=[
        Extension(
            "pyradsec._core",
            sources=sorted(glob.glob("src/*/*.c")),
            depends=sorted(glob.glob("src/*/*.h")),
            include_dirs=["src"],
            libraries=["ssl", "crypto", "pthread"],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
    ],
    cmdclass={"build_ext": BuildExt},
)
