"""What a picture is read as: every annotation in its place, and every entry in the language model's tokens."""

import torch

from lamm_data import Annotated, Box, Keypoints
from lamm_model.training.tower_pretraining.transcripts import NUMBERS, Transcript, _transcribe, book_of, embed_book


class Spelling:
    """A tokenizer with one token for each character, and one for each known word."""

    known = (" heart",)

    def __call__(self, text, add_special_tokens):
        if text in self.known:
            return {"input_ids": [self.known.index(text)]}
        if text == " left knee":
            return {"input_ids": [4, 5]}
        return {"input_ids": [ord(letter) for letter in text]}

    def decode(self, ids):
        return "".join(map(chr, ids))


def test_boxes_in_reading_order_with_their_colours():
    boxes = (Box("star", (60, 60, 90, 95)), Box("heart", (5, 10, 40, 45)))
    apart = [
        Annotated("1", "1.png", width=100, height=100, boxes=boxes),
        Annotated("1", "1.png", width=100, height=100, captions=("a red heart and a star", "a red heart")),
    ]
    assert list(_transcribe(apart, Spelling())) == [
        *("two", "red", "heart", "top left", "%05", "%10", "%40", "%45"),
        *("", "star", "bottom right", "%60", "%60", "%90", "%95"),
    ]


def test_joints_without_those_that_are_not_labelled():
    person = Keypoints(("neck", "left knee"), ((10.0, 20.0, 2), (0.0, 0.0, 0)))
    assert list(_transcribe([Annotated("1", "1.png", width=50, height=200, keypoints=(person,))], Spelling())) == [
        "neck", "%20", "%10"
    ]  # fmt: skip


def test_words_are_spelled_in_tokens():
    spelled = list(_transcribe([Annotated("1", "1.png", words=("GO", "A"))], Spelling()))
    assert spelled == ["=G", "=O", "= ", "=A"]
    table = torch.randn(128, 5)
    torch.testing.assert_close(embed_book(spelled, Spelling(), table)[:, 0], table[[ord(letter) for letter in "GO A"]])


def test_an_entry_is_told_token_by_token():
    book = book_of([Transcript("1.png", ("heart", "left knee", "%42", ""))])
    assert book == ["", *NUMBERS, "heart", "left knee"]
    table = torch.randn(128, 5)
    rows = embed_book(book, Spelling(), table)
    torch.testing.assert_close(rows[0], torch.zeros(6, 5))
    torch.testing.assert_close(rows[book.index("heart")], torch.cat([table[:1], torch.zeros(5, 5)]))
    torch.testing.assert_close(rows[book.index("left knee")], torch.cat([table[[4, 5]], torch.zeros(4, 5)]))
    torch.testing.assert_close(rows[book.index("%42")], table[[ord(letter) for letter in "0.42, "]])
    torch.testing.assert_close(rows[book.index("%40")][:5], table[[ord(letter) for letter in "0.4, "]])
    longer = embed_book(["abcdefg"], Spelling(), table)[0]
    torch.testing.assert_close(longer[5], table[ord("f")] + table[ord("g")])
