"""MLflow, which some benchmarks measure beside ours, in an environment of its own: it is no dependency."""

import subprocess
import sys
from pathlib import Path


def mlflow_python(folder: Path) -> Path:
    """Installs MLflow below a folder; returns the interpreter that can import it.

    Raises:
        CalledProcessError: It cannot be installed.
    """
    python = folder / "mlflow" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "mlflow"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "mlflow"], check=True)
    return python
