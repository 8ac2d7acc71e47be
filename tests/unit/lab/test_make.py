import io
import tarfile
import threading

import pytest

from lvslab.errors import ConflictError, EngineError, LabError
from lvslab.lab.api import asking, in_parallel
from lvslab.lab.make import tar_of
from lvslab.plan.model import FilePlan


def _content(tar, member):
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def test_tar_has_the_files_with_mode_and_content():
    files = [FilePlan("/etc/a", b"one"), FilePlan("/opt/x/run", b"two\0", 0o755)]
    with tarfile.open(fileobj=io.BytesIO(tar_of(files))) as tar:
        found = {m.name: (m.mode, m.uid, _content(tar, m)) for m in tar.getmembers()}
    assert found == {"etc/a": (0o644, 0, b"one"), "opt/x/run": (0o755, 0, b"two\0")}
    assert tar_of(files) == tar_of(files)


def test_in_parallel_keeps_the_order_and_is_parallel():
    barrier = threading.Barrier(3, timeout=10)

    def do(item):
        barrier.wait()  # breaks unless all three are under way at once
        return item * 2

    assert in_parallel([3, 1, 2], do) == [6, 2, 4]
    assert in_parallel([], do) == []


def test_the_first_failure_is_raised_after_all_others_ended():
    ended = []
    begun = threading.Barrier(3, timeout=10)

    def do(item):
        begun.wait()
        if item == "good":
            ended.append(item)
            return
        raise LabError(item)

    with pytest.raises(LabError, match="bad1") as caught:
        in_parallel(["good", "bad1", "bad2"], do)
    assert ended == ["good"]
    assert caught.value.__notes__ == ["also: bad2"]


def _api_error(text):
    from docker.errors import APIError

    return APIError("500 Server Error", explanation=text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Pool overlaps with other one on this address space", ConflictError),
        ('Conflict. The container name "/x" is already in use by container', ConflictError),
        ("no space left on device", LabError),
    ],
)
def test_refusals_in_words(text, kind):
    with pytest.raises(LabError, match="creating x") as caught, asking("creating x"):
        raise _api_error(text)
    assert type(caught.value) is kind


def test_an_engine_that_is_gone():
    import requests

    with pytest.raises(EngineError, match="does not answer"), asking("creating x"):
        raise requests.ConnectionError("gone")
