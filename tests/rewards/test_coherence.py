"""Coherence: the cosine of two embeddings, whatever else is in the batch."""

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

from playground import sources
from playground.errors import ModelUnavailable
from playground.rewards.coherence import MOST_TOKENS, Coherence
from playground.settings import conversation

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", "falls", "on", "the", "bridge", "a", "song"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random encoder of two narrow layers that knows seven words."""
    made = tmp_path_factory.mktemp("encoder")
    (made / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab={word: index for index, word in enumerate(WORDS)}).save_pretrained(made)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
        )
        BertModel(config).save_pretrained(made)
    return made


@pytest.fixture(scope="module")
def coherence(folder: Path) -> Coherence:
    return Coherence.load(folder)


def test_it_is_a_cosine_of_the_last_user_turn_and_the_reply(coherence: Coherence) -> None:
    history = conversation("the bridge", history=conversation("a song"))
    same, other = coherence([history, history], ["the bridge", "a song"]).tolist()
    assert same == pytest.approx(1.0, abs=1e-5)
    assert -1 <= other < 1
    asked, replied = coherence.embed(["the bridge", "a song"])
    assert other == pytest.approx(float(asked @ replied), abs=1e-6)


def test_a_text_alone_is_read_as_in_any_batch(coherence: Coherence) -> None:
    texts = ["rain falls on the bridge", "", "a song", "rain " * 40, "the song falls"]
    together = coherence.embed(texts)
    torch.testing.assert_close(together, torch.cat([coherence.embed([text]) for text in texts]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("spelled", ["[SEP]", "[CLS]", "[PAD]", "[MASK]"])
def test_a_text_that_spells_a_special_token_is_text(coherence: Coherence, spelled: str) -> None:
    """Brackets and the word between them are three words that this encoder does not know."""
    found, expected = coherence.embed([f"the {spelled} bridge", "the ( bus ) bridge"])
    torch.testing.assert_close(found, expected)


def test_long_texts_are_cut(coherence: Coherence) -> None:
    longer, long = coherence.embed(["rain " * (3 * MOST_TOKENS), "rain " * MOST_TOKENS])
    torch.testing.assert_close(longer, long)


def test_an_encoder_that_was_trained_on_its_first_token_is_read_there(folder: Path, coherence: Coherence) -> None:
    first = Coherence(coherence.encoder, coherence.tokenizer, reads_first_token=True)
    assert not torch.allclose(first.embed(["a song"]), coherence.embed(["a song"]))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    torch.testing.assert_close(Coherence.load(folder).embed(["a song"]), first.embed(["a song"]))


def test_what_is_no_encoder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="cannot be loaded") as caught:
        Coherence.load(tmp_path)
    assert "model fetch minilm" in caught.value.hint


@pytest.mark.real
def test_minilm_tells_an_answer_from_a_change_of_subject() -> None:
    coherence = Coherence.load(sources.resolve_encoder())
    asked = [conversation("Describe a morning in your office.")] * 2
    answer, subject = coherence(asked, ["The office is quiet in the morning.", "Sharks swim in the sea."]).tolist()
    assert answer > 0.5 > 0.3 > subject
