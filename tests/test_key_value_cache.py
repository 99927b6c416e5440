"""What a layer keeps of a text is what it would compute anew, whatever the lengths."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import EXACT, Float64Torch, copy_parameters, loud

from lmtutor.layers import (
    CausalSelfAttention,
    FeedForward,
    KeyValueCache,
    LearnedPositions,
    MultiHeadAttention,
    NormedCausalSelfAttention,
    PreNormBlock,
    RotaryPositions,
    key_value_cache,
)

HEADS, HEAD_SIZE, ROOM = 4, 6, 24
SIZE = HEADS * HEAD_SIZE
KINDS = {
    "plain": lambda: CausalSelfAttention(SIZE, HEADS),
    "rotary": lambda: CausalSelfAttention(SIZE, HEADS, rotary=RotaryPositions(HEAD_SIZE)),
    "grouped": lambda: CausalSelfAttention(
        SIZE, HEADS, 2, bias=False, rotary=RotaryPositions(HEAD_SIZE)
    ),
    "normed": lambda: NormedCausalSelfAttention(
        SIZE, HEADS, 1, rotary=RotaryPositions(HEAD_SIZE)
    ),
}


def new_cache(layer, rows, layers=1):
    like = torch.zeros(0, dtype=torch.float64)
    heads = layer.num_key_value_heads
    return KeyValueCache(layers, rows, heads, ROOM, layer.head_size, like)


@settings(max_examples=80)
@given(
    kind=st.sampled_from([*KINDS]),
    cuts=st.lists(st.lists(st.integers(1, 5), min_size=3, max_size=3), min_size=1, max_size=4),
    same=st.booleans(),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_reading_on_equals_reading_all(kind, cuts, same, seed, data):
    """Some rows are shorter than others, and in between rows are chosen."""
    layer = loud(KINDS[kind](), seed)
    cache, texts = new_cache(layer, 3), [torch.empty(0, SIZE).double()] * 3
    for lengths in cuts:
        chosen = data.draw(st.none() | st.permutations([0, 1, 1]))
        if chosen is not None:
            cache.select(torch.tensor(chosen))
            texts = [texts[row] for row in chosen]
        lengths = lengths[:1] * 3 if same else lengths
        hidden = torch.randn(3, max(lengths), SIZE, dtype=torch.float64)
        given_now = layer(hidden, cache=cache.layers[0])
        cache.advance(lengths)
        for row, length in enumerate(lengths):
            texts[row] = torch.cat([texts[row], hidden[row, :length]])
            expected = layer(texts[row][None])[0, -length:]
            torch.testing.assert_close(given_now[row, :length], expected, **EXACT)
    assert cache.lengths == [len(text) for text in texts]


def test_layers_keep_apart_and_a_cleared_cache_is_empty():
    blocks = [
        loud(PreNormBlock(KINDS["rotary"](), FeedForward(SIZE, 8)), seed) for seed in (0, 1)
    ]
    cache = new_cache(blocks[0].attention, 2, layers=2)
    hidden = torch.randn(2, 7, SIZE, dtype=torch.float64)
    expected = blocks[1](blocks[0](hidden))
    for _ in range(2):
        given_now = []
        for part in hidden.split([4, 1, 2], dim=1):
            for number, block in enumerate(blocks):
                part = block(part, cache=cache.layers[number])
            cache.advance([part.shape[1]] * 2)
            given_now.append(part)
        torch.testing.assert_close(torch.cat(given_now, dim=1), expected, **EXACT)
        cache.clear()
        assert cache.lengths == [0, 0]


def test_memory_is_taken_once_and_belongs_to_its_device_and_type():
    layer = loud(KINDS["grouped"]())
    cache = new_cache(layer, 2)
    assert cache.memory.shape == (1, 2, 2, 2, ROOM, HEAD_SIZE)
    assert cache.memory.dtype == torch.float64
    place = cache.memory.data_ptr()
    for _ in range(5):
        layer(torch.randn(2, 3, SIZE).double(), cache=cache.layers[0])
        cache.advance([3, 3])
    assert cache.memory.data_ptr() == place


def test_memory_grows_with_the_text_and_keeps_it(monkeypatch):
    monkeypatch.setattr(key_value_cache, "_FIRST_ROOM", 3)
    layer = loud(KINDS["rotary"]())
    cache = new_cache(layer, 2)
    hidden = torch.randn(2, 20, SIZE, dtype=torch.float64)
    rooms, read = [], []
    for part in hidden.split([2, 1, 1, 4, 12], dim=1):
        read.append(layer(part, cache=cache.layers[0]))
        cache.advance([part.shape[1]] * 2)
        rooms.append(cache.memory.shape[-2])
    assert rooms == [3, 3, 6, 12, ROOM]
    torch.testing.assert_close(torch.cat(read, dim=1), layer(hidden), **EXACT)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copy_has_a_memory_of_its_own(copied):
    layer = loud(KINDS["rotary"]())
    hidden = torch.randn(2, 6, SIZE, dtype=torch.float64)
    with torch.no_grad():
        expected, first = layer(hidden), new_cache(layer, 2)
        layer(hidden[:, :3], cache=first.layers[0])
        first.advance([3, 3])
        second = copied(first)
        first.memory.zero_()
        layer(hidden[:, 3:5], cache=second.layers[0])
        second.advance([2, 2])
        second.select(torch.tensor([1, 0]))  # what the layers wrote is what moves
        last = layer(hidden[[1, 0], 5:], cache=second.layers[0])
    torch.testing.assert_close(last, expected[[1, 0], 5:], **EXACT)


def test_texts_left_out_in_inference_mode_leave_a_cache_for_every_mode():
    layer = loud(KINDS["rotary"]())
    hidden, cache = torch.randn(3, 4, SIZE, dtype=torch.float64), new_cache(layer, 3)
    with torch.inference_mode():
        layer(hidden[:, :3], cache=cache.layers[0])
        cache.advance([3] * 3)
        cache.select(torch.tensor([2, 0]))
    last = layer(hidden[[2, 0], 3:], cache=cache.layers[0])
    torch.testing.assert_close(last, layer(hidden)[[2, 0], 3:], **EXACT)


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_each_text_has_positions_of_its_own(positions):
    starts, x = torch.tensor([4, 0, 17]), torch.randn(3, 2, 5, HEAD_SIZE, dtype=torch.float64)
    if positions == "rotary":
        layer, rows = RotaryPositions(HEAD_SIZE).rotate, x
    else:
        layer, rows = loud(LearnedPositions(ROOM, HEAD_SIZE)), x[:, 0]
    together = layer(rows, starts)
    for row, start in enumerate(starts.tolist()):
        alone = layer(rows[row : row + 1], start)
        torch.testing.assert_close(together[row : row + 1], alone, **EXACT)


def test_normed_queries_and_keys_equal_transformers_qwen3(monkeypatch):
    from transformers import Qwen3Config
    from transformers.models.qwen3 import modeling_qwen3

    monkeypatch.setattr(modeling_qwen3, "torch", Float64Torch())
    config = Qwen3Config(
        hidden_size=SIZE,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
        head_dim=HEAD_SIZE,
        rms_norm_eps=1e-6,
        attn_implementation="eager",
    )
    theirs = loud(modeling_qwen3.Qwen3Attention(config, layer_idx=0))
    rotary = RotaryPositions(HEAD_SIZE, config.rope_parameters["rope_theta"])
    ours = NormedCausalSelfAttention(SIZE, HEADS, 2, bias=False, rotary=rotary).double()
    stacked = torch.cat([theirs.q_proj.weight, theirs.k_proj.weight, theirs.v_proj.weight])
    copy_parameters(
        [
            (ours.query_key_value.weight, stacked),
            (ours.output.weight, theirs.o_proj.weight),
            (ours.query_norm.weight, theirs.q_norm.weight),
            (ours.key_norm.weight, theirs.k_norm.weight),
        ]
    )
    hidden = torch.randn(2, 9, SIZE, dtype=torch.float64)
    places = torch.arange(9).expand(2, -1)
    waves = modeling_qwen3.Qwen3RotaryEmbedding(config)(hidden, places)
    ahead = torch.full((9, 9), -torch.inf, dtype=torch.float64).triu(1)
    expected, _ = theirs(hidden, waves, ahead[None, None])
    torch.testing.assert_close(ours(hidden), expected, **EXACT)


def test_what_does_not_fit_is_refused():
    layer = loud(KINDS["plain"]())
    cache = new_cache(layer, 1)
    hidden = torch.randn(1, ROOM, SIZE, dtype=torch.float64)
    layer(hidden[:, :-1], cache=cache.layers[0])
    cache.advance([ROOM - 1])
    with pytest.raises(ValueError, match="would have 25 positions, .* room for 24"):
        layer(hidden[:, :2], cache=cache.layers[0])
    with pytest.raises(ValueError, match=r"\(1, 4, 1, 6\), and the cache keeps 2 texts of 4"):
        layer(hidden[:, :1], cache=new_cache(layer, 2).layers[0])  # not copied to both
    mask = torch.ones(1, 1, dtype=torch.bool)
    with pytest.raises(ValueError, match="brings its own mask"):
        layer(hidden[:, :1], mask, cache.layers[0])
    ahead = loud(MultiHeadAttention(SIZE, HEADS))
    with pytest.raises(ValueError, match="layers that never look ahead"):
        ahead(hidden[:, :1], cache=cache.layers[0])
    with pytest.raises(ValueError, match=r"\(1, 0, 4, 24, 6\); each must be at least 1"):
        KeyValueCache(1, 0, HEADS, ROOM, HEAD_SIZE, torch.zeros(0))
    with pytest.raises(ValueError, match="positions 3 to 24 .* 24 ends at 23"):
        LearnedPositions(ROOM, 2)(torch.zeros(2, 4, 2), torch.tensor([3, 21]))
    with pytest.raises(ValueError, match="start is -1"):
        RotaryPositions(2).rotate(torch.zeros(2, 1, 4, 2), torch.tensor([3, -1]))


def test_a_table_of_angles_made_while_reading_serves_training_too():
    rotary = RotaryPositions(2, base=123.0)
    with torch.inference_mode():
        rotary.rotate(torch.zeros(1, 1, 3, 2))
    x = torch.ones(1, 1, 3, 2, requires_grad=True)
    rotary.rotate(x).square().sum().backward()
    torch.testing.assert_close(x.grad, 2 * x.detach())  # turning changes no length


def test_its_memory_is_free_as_soon_as_nobody_needs_it():
    layer = loud(KINDS["plain"]())
    cache = new_cache(layer, 2)
    gone = weakref.ref(cache)
    gc.disable()  # who waits for the collector keeps gigabytes
    try:
        with torch.no_grad():
            layer(torch.zeros(2, 3, SIZE).double(), cache=cache.layers[0])
        del cache
        assert gone() is None
    finally:
        gc.enable()
