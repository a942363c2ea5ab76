"""What a process keeps of the memory that it frees."""

import json
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these settings are those of glibc")

BLOCKS = """
import json, resource, psutil
from bench.system import allocator
BLOCK = 2**24

def fault():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return psutil.Process().memory_info().rss
"""


def found(code):
    done = subprocess.run([sys.executable, "-c", BLOCKS + code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_block_that_was_freed_is_used_again(keeps):
    faults, page = found(f"""
if {keeps}:
    allocator.keep_freed()
def step():
    [bytearray(BLOCK) for _ in range(9)].clear()

step()
before = fault()
step()
print(json.dumps([fault() - before, resource.getpagesize()]))
""")
    pages = 9 * 2**24 / page
    assert faults < 0.2 * pages if keeps else faults > 0.8 * pages


def test_what_is_not_in_use_is_given_back():
    before, after = found("""
allocator.keep_freed()
bytearray(BLOCK).clear()
before = resident()
allocator.give_back_freed()
print(json.dumps([before, resident()]))
""")
    assert before - after > 0.8 * 2**24
