"""What is marked in our own sentences, and nothing else, becomes HTML."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.marks import things, with_code


def test_marks_become_what_they_mean() -> None:
    assert things("colour of *ball*: red / blue") == "colour of <em>ball</em>: red / blue"
    assert with_code("Host names that open mode accepts in `Host`.") == "Host names that open mode accepts in <code>Host</code>."
    assert things("5 * 3") == "5 * 3"


@given(st.text(st.sampled_from("<>&\"'*` ab"), max_size=40))
def test_no_word_becomes_html(said: str) -> None:
    for marked, tag in ((things(said), "em"), (with_code(said), "code")):
        left = str(marked).replace(f"<{tag}>", "").replace(f"</{tag}>", "")
        assert "<" not in left
        assert ">" not in left
