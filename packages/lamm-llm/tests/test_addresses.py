"""What an address may hold, and which key goes where."""

import pytest

from lamm_llm import EndpointSettings, UsageError, check_address, find_key, shown_address

SECRET = "s3cretW0rd"


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{SECRET}@localhost:8000/v1",
        f"https://{SECRET}@example.org/v1",
        f"https://example.org/v1?api_key={SECRET}",
        f"https://example.org/v1?api-version=1&key={SECRET}",
        f"https://example.org/v1?x=1&Token={SECRET}",
        f"https://example.org/v1?sig={SECRET}",
        f"https://example.org/v1?X-Amz-Signature={SECRET}",
        f"https://example.org/v1?subscription-key={SECRET}",
        f"https://example.org/v1?accessToken={SECRET}",
        f"https://example.org/v1?api%5Fkey={SECRET}",
        f"https://example.org/v1?password={SECRET}",
        f"https://example.org/v1#access_token={SECRET}",
        f"https://example.org/sk-{SECRET}{SECRET}/v1",
        f"http:/me:{SECRET}@localhost/v1",
        f"me:{SECRET}@localhost/v1",
        f"http://me:{SECRET}@localhost:99999/v1",
        f"http://me:{SECRET}@[::1/v1",
        f"http:\\\\me:{SECRET}@localhost/v1",
        f"http://localhost\n.example.org/v1?key={SECRET}",
        "http://localhost:99999/v1",
        "http://[::1/v1",
        "http://",
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "http://local host/v1",
        "http://localhost/v1\n",
        "http://b\u00fccher.example/v1",
    ],
)
def test_an_address_that_is_none_or_carries_a_secret_is_refused_without_showing_it(address):
    for refuse in (check_address, EndpointSettings, find_key):
        with pytest.raises(UsageError, match="Expected an endpoint") as caught:
            refuse(address)
        assert SECRET not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert SECRET not in shown_address(address)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://example.org/v1?api-version=2024-10-21&max_tokens=5", "https://example.org/v1"),
        ("https://example.org/keys/token", "https://example.org/keys/token"),
        ("https://sk-inference-cluster-one.example.org/v1", "https://sk-inference-cluster-one.example.org/v1"),
        ("https://example.org/key-value-store-and-more/v1", "https://example.org/key-value-store-and-more/v1"),
    ],
)
def test_other_addresses_are_taken_and_shown(address, shown):
    assert check_address(address) == address
    assert EndpointSettings(address).shown_url == shown


def test_the_key_of_openai_goes_to_openai_and_where_it_is_named_only():
    keys = {"OPENAI_API_KEY": " sk-openai\n", "MINE": "mine"}
    assert find_key("https://api.openai.com/v1", None, keys) == "sk-openai"
    assert find_key("https://eu.api.openai.com/v1", "", keys) == "sk-openai"
    for other in (
        "http://127.0.0.1:8000/v1",
        "https://openai.com.example.org/v1",
        "https://notopenai.com/v1",
        "http://api.openai.com/v1",  # in the clear
    ):
        assert find_key(other, None, keys) == ""
        assert find_key(other, "OPENAI_API_KEY", keys) == "sk-openai"
        assert find_key(other, "MINE", keys) == "mine"
    assert find_key("https://api.openai.com/v1", "MINE", keys) == "mine"
    assert find_key("https://api.openai.com/v1", None, {}) == ""
    with pytest.raises(UsageError, match="variable OTHER, found it unset"):
        find_key("http://localhost/v1", "OTHER", keys)


@pytest.mark.parametrize(
    ("key", "words"), [("first\nsecond", "U+000A at character 6 of 12"), ("schlüssel", "U+00FC"), ("a b", "U+0020")]
)
def test_a_key_that_no_header_can_carry_is_refused_in_words(key, words):
    with pytest.raises(UsageError, match="visible ASCII characters in MINE") as caught:
        find_key("http://localhost/v1", "MINE", {"MINE": key})
    assert words in str(caught.value)
    assert key not in str(caught.value)
    with pytest.raises(UsageError, match="visible ASCII characters for http://localhost/v1"):
        EndpointSettings("http://localhost/v1", key=key)
