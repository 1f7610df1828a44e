"""Inbound webhooks, one sender a file: verify a request and parse its body into facts, without I/O."""

from app.senders.flux import FLUX
from app.senders.forges.github import GITHUB
from app.senders.jenkins.notification import JENKINS_NOTIFICATION
from app.senders.jenkins.report import JENKINS
from app.senders.registries.distribution import DISTRIBUTION
from app.senders.sender import Sender

SENDERS: dict[str, Sender] = {
    sender.kind: sender for sender in (JENKINS, JENKINS_NOTIFICATION, DISTRIBUTION, GITHUB, FLUX)
}
