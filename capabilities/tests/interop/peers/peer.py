"""The Python peer of the interop test. It reads a request a line, and writes an answer a line."""

import json
import sys
from datetime import timedelta

from biscuit_auth import (
    AuthorizationError,
    AuthorizerBuilder,
    Biscuit,
    BiscuitBuilder,
    BlockBuilder,
    KeyPair,
    PrivateKey,
    PublicKey,
)


def mint(request):
    return BiscuitBuilder(request["code"]).build(PrivateKey(request["private_key"])).to_base64()


def attenuate(request):
    return verified(request).append(BlockBuilder(request["code"])).to_base64()


def attest(request):
    """Adds a block that a third party signs."""
    token = verified(request)
    private_key = PrivateKey(request["private_key"])
    block = token.third_party_request().create_block(private_key, BlockBuilder(request["code"]))
    return token.append_third_party(KeyPair.from_private_key(private_key).public_key, block).to_base64()


def authorize(request):
    """Answers many questions about one token."""
    token = verified(request)
    return [allows(token, code) for code in request["questions"]]


def allows(token, code):
    builder = AuthorizerBuilder(code)
    # The library's default limit is one millisecond, so a busy machine could change an answer.
    limits = builder.limits()
    limits.max_time = timedelta(minutes=1)
    limits.max_facts = 100_000
    builder.set_limits(limits)
    authorizer = builder.build(token)
    try:
        authorizer.authorize()
        return True
    except AuthorizationError as error:
        # A failed evaluation has the same class, but it is neither an allowed nor a denied operation.
        if str(error).startswith("authorization failed: "):
            return False
        raise


def inspect(request):
    token = verified(request)
    return {
        "blocks": [token.block_source(number) for number in range(token.block_count())],
        "revocation_ids": token.revocation_ids,
    }


def verified(request):
    return Biscuit.from_base64(request["token"], PublicKey(request["root"]))


VERBS = {verb.__name__: verb for verb in (mint, attenuate, attest, authorize, inspect)}

for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = {"ok": VERBS[request["verb"]](request)}
    except Exception as error:  # The test checks if the error is the expected one.
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
