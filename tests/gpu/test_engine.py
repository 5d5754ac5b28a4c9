"""What must hold of any decoder holds on CUDA: the tests of the engine themselves, with the models there."""

import pytest
import torch

from tests.engine.test_admission import *  # noqa: F403
from tests.engine.test_decode import *  # noqa: F403
from tests.engine.test_families import *  # noqa: F403
from tests.engine.test_fused_step import test_every_step_is_the_stock_step  # noqa: F401
from tests.engine.test_likeliest import *  # noqa: F403
from tests.engine.test_next_token import *  # noqa: F403
from tests.engine.test_prefix_tree import *  # noqa: F403
from tests.engine.test_prompt_contrast import *  # noqa: F403
from tests.engine.test_scheduler import *  # noqa: F403
from tests.engine.test_static_step import *  # noqa: F403
from tests.engine.test_stop_strings import *  # noqa: F403
from tests.engine.test_streams import *  # noqa: F403

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")]
