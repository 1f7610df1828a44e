"""Amazon's registries: what AWS is asked, by whom, and what comes of its answers. The client is boto3 itself."""

import base64
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.clients.registry.credentials.ecr import ECR, AccessKey
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from tests.parts import required
from tests.servers.scripted_http import Answer, Asked, Running, answering

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
PASSWORD = "ecr-s3cret"
KEY = AccessKey("AKIAEXAMPLE", lambda: "key-s3cret")
_ROLE = """<AssumeRole{0}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRole{0}Result><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>role-s3cret</SecretAccessKey><SessionToken>session-s3cret</SessionToken>
<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRole{0}Result></AssumeRole{0}Response>"""


class AWS:
    """STS and ECR as far as one is asked for a password."""

    def __init__(self) -> None:
        self.told = Answer(
            {
                "authorizationData": [
                    {
                        "authorizationToken": base64.b64encode(f"AWS:{PASSWORD}".encode()).decode(),
                        "expiresAt": time.time() + 43_200,
                        "proxyEndpoint": f"https://{HOST}",
                    }
                ]
            }
        )

    def __call__(self, asked: Asked) -> Answer:
        if "Action=AssumeRoleWithWebIdentity" in asked.body:
            return Answer(_ROLE.format("WithWebIdentity"))
        if "Action=AssumeRole" in asked.body:
            return Answer(_ROLE.format(""))
        assert asked.headers["x-amz-target"].endswith(".GetAuthorizationToken")
        return self.told


@pytest.fixture
def aws() -> AWS:
    return AWS()


@pytest.fixture
def there(aws: AWS, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """AWS at a port of loopback, and nothing of this machine that says who we are."""
    required("boto3")
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with answering(aws) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        yield running


def test_a_key_is_shown_and_a_password_comes_back(there: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        issued = ECR(HOST, region="eu-west-1", key=KEY).issue()
    assert (issued.user, issued.secret) == ("AWS", PASSWORD)
    assert 43_000 < issued.lasts_s <= 43_200
    assert "Credential=AKIAEXAMPLE/" in there.asked[0].headers["authorization"]
    assert "/eu-west-1/ecr/" in there.asked[0].headers["authorization"]
    assert "s3cret" not in caplog.text


def test_a_role_is_taken_on(there: Running) -> None:
    role = "arn:aws:iam::123456789012:role/reader"
    ECR(HOST, region="eu-west-1", role_arn=role, key=KEY).issue()
    assert ["AKIAEXAMPLE" in there.asked[0].headers["authorization"], "reader" in there.asked[0].body] == [True, True]
    assert "Credential=ASIAROLE/" in there.asked[1].headers["authorization"]
    assert there.asked[1].headers["x-amz-security-token"] == "session-s3cret"


def test_a_pod_is_known_by_its_web_identity(there: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("pod-token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
    assert ECR(HOST, region="eu-west-1").issue().secret == PASSWORD
    assert "WebIdentityToken=pod-token" in there.asked[0].body
    assert "Credential=ASIAROLE/" in there.asked[1].headers["authorization"]


@pytest.mark.usefixtures("there")
def test_who_we_are_must_be_known() -> None:
    with pytest.raises(RegistryRefused, match=r"AWS is not told who we are: give auth\.ecr\.access_key_id"):
        ECR(HOST, region="eu-west-1").issue()


@pytest.mark.parametrize(
    ("told", "kind", "words"),
    [
        pytest.param(
            Answer({"__type": "AccessDeniedException", "message": "User is not authorized"}, 400),
            RegistryRefused,
            "AccessDeniedException.*not authorized; check auth.ecr",
            id="denied",
        ),
        pytest.param(
            Answer({"__type": "ThrottlingException", "message": "x"}, 400),
            RegistryUnavailable,
            "answered 400 Throttling",
            id="throttled",
        ),
        pytest.param(Answer({"__type": "ServerException"}, 500), RegistryUnavailable, "AWS answered 500", id="500"),
        pytest.param(Answer({"authorizationData": []}), RegistryUnavailable, "with no token", id="no token"),
        pytest.param(
            Answer({"authorizationData": [{"authorizationToken": "s3cret!", "expiresAt": 1}]}),
            RegistryUnavailable,
            "with no token",
            id="no base64",
        ),
    ],
)
@pytest.mark.usefixtures("there")
def test_what_aws_answers_is_told(aws: AWS, told: Answer, kind: type[Exception], words: str) -> None:
    aws.told = told
    with pytest.raises(kind, match=words) as failed:
        ECR(HOST, region="eu-west-1", key=KEY).issue()
    assert "s3cret" not in str(failed.value)


@pytest.mark.usefixtures("there")
def test_an_aws_that_cannot_be_reached_is_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(RegistryUnavailable, match="AWS cannot be asked"):
        ECR(HOST, region="eu-west-1", key=KEY).issue()
