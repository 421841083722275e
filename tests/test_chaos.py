"""Kills, two processes at once, a full disk, a stranger's folder and NaN: one run of each trial of bench/chaos.py."""
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == 'win32', reason='the trials part processes with fork')
def test_a_study_survives(tmp_path):
    command = [sys.executable, ROOT/'bench'/'chaos.py', '--short', '--out', tmp_path/'chaos.jsonl']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout+done.stderr
