"""What cases assert, with both sides in the message."""
import os
import time

PATIENCE = float(os.environ.get("GPURUN_TEST_PATIENCE", "1"))  # more than 1 where everything is slow, as in a virtual machine


def equal(got, wanted, what="value"):
    assert got == wanted, f"{what} is {got!r}, wanted {wanted!r}"


def contains(text, part, what="text"):
    assert part in text, f"{what} lacks {part!r}: {text!r}"


def lacks(text, part, what="text"):
    assert part not in text, f"{what} has {part!r}: {text!r}"


def succeeds(result):
    assert result.code == 0, f"exit code {result.code}: {result.err.strip()!r}"
    return result


def fails(result, *parts, code=None):
    """The call failed, said each of parts (case-insensitive) on stderr, and left with code if that is given."""
    assert result.code != 0, f"succeeded, output {result.out!r}"
    for part in parts:
        contains(result.err.lower().replace('\\"', '"'), part.lower(), "stderr")  # the text log escapes quotes
    if code is not None:
        equal(result.code, code, "exit code")
    return result


def eventually(question, what, seconds=5.0):
    """Asks until question answers with something true, which is returned."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.005)
