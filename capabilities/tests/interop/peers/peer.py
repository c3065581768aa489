"""The Python peer of the interop test: one request a line on standard input, one answer a line on standard output."""

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
    # A busy machine must not change an answer: the library's own limit is one millisecond.
    limits = builder.limits()
    limits.max_time = timedelta(minutes=1)
    limits.max_facts = 100_000
    builder.set_limits(limits)
    authorizer = builder.build(token)
    try:
        authorizer.authorize()
        return True
    except AuthorizationError as error:
        # The class is the same when evaluation failed, which is neither yes nor no.
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
    except Exception as error:  # The test decides whether an error is right.
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
