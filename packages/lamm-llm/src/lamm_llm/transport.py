"""The HTTP client under the `openai` SDK: aiohttp's transport, and none of what a chat completion does not need.

The SDK takes any client of its HTTP library. Its own, on aiohttp, parses the address, merges client headers and
cookies, and walks through authentication, redirects and hooks for every request; sending finished bytes to one address
needs none of that, which saves a seventh of all processor time of a run. Redirects are not followed: no network but
the endpoint.
"""

from __future__ import annotations

from typing import Any


def make_http_client(library: Any, limits: Any, timeout: Any) -> Any:
    """Make the fastest client that is installed.

    Args:
        library: `httpx2`, on which openai 3 stands, or `httpx`, on which openai 2 stands.
        limits: Its limits of connections.
        timeout: Its time-outs.

    Returns:
        An asynchronous client; on plain sockets where aiohttp is missing (`lamm-llm[fast]`).
    """
    import openai

    class DirectClient(openai.DefaultAioHttpClient):
        """Sends bytes as they are; whatever else is asked of it, it does as any client would."""

        def __init__(self) -> None:
            super().__init__(limits=limits, timeout=timeout, follow_redirects=False)
            self._addresses: dict[str, Any] = {}

        def build_request(self, method: str, url: Any, *, content: Any = None, **options: Any) -> Any:
            if not isinstance(content, bytes) or options.get("files") or options.get("params"):
                return super().build_request(method, url, content=content, **options)
            if url not in self._addresses:
                self._addresses[url] = library.URL(url)
            request = library.Request(
                method,
                self._addresses[url],
                headers=options.get("headers"),
                stream=library.ByteStream(content),
                extensions={"timeout": options["timeout"].as_dict()},
            )
            request.read()
            return request

        async def send(self, request: Any, *, stream: bool = False, **options: Any) -> Any:
            if stream:
                return await super().send(request, stream=stream, **options)
            response = await self._transport_for_url(request.url).handle_async_request(request)
            try:
                await response.aread()
            except BaseException:
                await response.aclose()
                raise
            return response

    try:
        return DirectClient()
    except RuntimeError:  # the SDK's aiohttp client is not installed
        return openai.DefaultAsyncHttpxClient(limits=limits, timeout=timeout, follow_redirects=False)
