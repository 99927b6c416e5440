"""Where and when cells run: with the package of this checkout, and again whenever that package
changes.

The execution cache looks at a page's own cells alone. Here its folder is named by everything
else that the outputs rest on, so that a change to the package runs every page again. A page
that fails so fails each build until mended.
"""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]
WATCHED = (
    "lmtutor/**/*.py",
    "lmtutor/**/*.json",
    "lmtutor/**/*.safetensors",
    "requirements.txt",
    "requirements-data.txt",
)


def fingerprint() -> str:
    """A digest of the package, the lock, the Python release and the profile."""
    digest = hashlib.sha256(
        f"{sys.version_info[:2]} {os.environ.get('LMTUTOR_PROFILE', 'default')}".encode()
    )
    for path in sorted(path for pattern in WATCHED for path in ROOT.glob(pattern)):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def name_the_cache(app: Sphinx, config: Config) -> None:
    """Give the cache the folder of this fingerprint, and drop those of others."""
    base = Path(app.outdir).parent / "execution"
    config.nb_execution_cache_path = str(base / fingerprint())
    # Cells with a playground put their models here, and book_playground publishes them.
    os.environ["LMTUTOR_MODEL_FILES"] = str(Path(config.nb_execution_cache_path) / "models")
    for old in base.glob("*"):
        if str(old) != config.nb_execution_cache_path:
            shutil.rmtree(old, ignore_errors=True)


def drop_thebe(app: Sphinx, config: Config) -> None:
    """Jupyter Book always loads sphinx-thebe, whose scripts name an outside host; unhook it."""
    for listeners in app.events.listeners.values():
        listeners[:] = [
            listener
            for listener in listeners
            if not listener.handler.__module__.startswith("sphinx_thebe")
        ]
    sheets = app.registry.css_files
    sheets[:] = [sheet for sheet in sheets if sheet[0] != "sphinx-thebe.css"]


def setup(app: Sphinx) -> dict[str, bool | str]:
    """Called by Sphinx. Kernels inherit the environment that is set here."""
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    )
    os.environ.setdefault("PYTHONHASHSEED", "0")
    os.environ["TQDM_DISABLE"] = "1"  # bars are for those who wait
    os.environ["LMTUTOR_STATIC"] = "1"  # what needs a kernel shows a picture of itself
    if os.environ.get("LMTUTOR_PROFILE", "default") != "full":
        os.environ["HF_HUB_OFFLINE"] = "1"
    app.connect("config-inited", name_the_cache)
    app.connect("config-inited", drop_thebe)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
